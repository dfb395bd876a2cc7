//! What is fuzzed: everything that reads bytes from outside; `application_targets.rs` has the targets that
//! need more features. The fuzzer and the replay of its corpus
//! (`tests/rust/fuzz_corpus.rs`) run the same functions. A target panics if a property fails.

use std::io::{Cursor, Write as _};

use crossdub::adc::AdcParams;
use crossdub::adc::converter::{Converter, ModelSource};
use crossdub::adc::models::custom::CustomModel;
use crossdub::checkpoint::{Checkpoint, ReadOptions, ShardIndex, safetensors};
use crossdub::config;
use crossdub::data::cifar;
use crossdub::data::folders::{MemoryTree, class_layout, is_image, is_label_file, split_layout};
use crossdub::data::imagenet::index::{Index, Listing};
use crossdub::data::imagenet::webdataset::{Shards, Split};
use crossdub::data::imagenet::{archive, decode, devkit, labels, outputs};
use crossdub::data::unpack::{Limits, unpack};
use crossdub::onnx::OnnxModel;
use crossdub::{HardwareConfig, Result, TrainConfig};

/// A reader of untrusted bytes.
pub struct Target {
    /// Its name, that of its corpus too.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&[u8]),
    /// Bytes of memory it may hold whatever the input.
    pub spare: usize,
    /// Bytes of memory it may hold for each byte of input.
    pub per_byte: usize,
}

pub(crate) const MIB: usize = 1 << 20;

pub(crate) const fn target(name: &'static str, run: fn(&[u8]), spare: usize, per_byte: usize) -> Target {
    Target { name, run, spare, per_byte }
}

/// The targets that need no Burn.
pub const TARGETS: &[Target] = &[
    // A few shared dictionaries can spell out 64 MiB of names: see `state_dict.rs`.
    target("pytorch_zip", pytorch_zip, 384 * MIB, 512),
    target("pytorch_pickle", pytorch_pickle, 384 * MIB, 512),
    target("pytorch_legacy", pytorch_legacy, 384 * MIB, 512),
    target("safetensors", safetensors, MIB, 128),
    target("shard_index", shard_index, MIB, 256),
    target("tar_archive", tar_archive, MIB, 64),
    target("webdataset_shard", webdataset_shard, MIB, 64),
    target("image_index", image_index, MIB, 128),
    target("mat_file", mat_file, 128 * MIB, 64),
    // 100 million pixels of 8 bytes, then of 3.
    target("image_file", image_file, 1200 * MIB, 64),
    // The values of a pickle take some 100 bytes for each of its own.
    target("cifar_records", cifar_records, MIB, 256),
    target("cifar_archive", cifar_archive, 2 * MIB, 256),
    target("image_archive", image_archive, 34 * MIB, 64),
    // Constants that are computed from others take up to 128 MiB and 16 bytes for each of the file's; each layer is
    // decoded by itself.
    target("onnx_model", onnx_model, 384 * MIB, 512),
    target("config_fields", config_fields, 2 * MIB, 1024),
    target("adc_model", adc_model, 2 * MIB, 1024),
];

/// An error must be one short line.
pub(crate) fn checked<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error:?}");
            None
        }
    }
}

/// What was read must be consistent, and survive being written and read again.
fn check_checkpoint(checkpoint: &Checkpoint) {
    for tensor in &checkpoint.tensors {
        // A dimension of 0 leaves no element, however large the others are.
        let sizes = tensor.shape.iter();
        let count = match tensor.shape.contains(&0) {
            true => Some(0),
            false => sizes.copied().try_fold(1_usize, usize::checked_mul),
        };
        assert_eq!(count, Some(tensor.data.len()), "{} {:?}", tensor.name, tensor.shape);
    }
    let account = checkpoint.account(true);
    let taken = checked(checkpoint.matrices(true)).map_or(0, |matrices| matrices.len());
    assert!(taken <= account.taken.len());
    let masks = checkpoint.masks();
    assert!(masks.tensors.len() <= checkpoint.tensors.len());
    if let Some(bytes) = checked(safetensors::write(checkpoint)) {
        let again = safetensors::read(&bytes).expect("reads what it wrote");
        let names = |checkpoint: &Checkpoint| {
            checkpoint.tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>()
        };
        assert_eq!(names(&again), names(checkpoint));
    }
}

fn pytorch_zip(data: &[u8]) {
    if let Some(checkpoint) = checked(Checkpoint::from_bytes(data)) {
        check_checkpoint(&checkpoint);
    }
}

/// The pickle alone: the fuzzer need not make an archive around it.
fn pytorch_pickle(data: &[u8]) {
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let entries: [(&str, &[u8]); 3] =
        [("n/data.pkl", data), ("n/data/0", &[0x3e; 64]), ("n/data/1", &[0xc0; 8])];
    for (name, bytes) in entries {
        archive.start_file(name, options).expect("a new entry");
        archive.write_all(bytes).expect("memory");
    }
    pytorch_zip(&archive.finish().expect("memory").into_inner());
}

fn pytorch_legacy(data: &[u8]) {
    if let Some(checkpoint) = checked(Checkpoint::from_bytes(data)) {
        check_checkpoint(&checkpoint);
    }
}

fn safetensors(data: &[u8]) {
    checked(safetensors::metadata(data));
    checked(safetensors::read(data));
    if let Some(checkpoint) = checked(Checkpoint::from_bytes(data)) {
        check_checkpoint(&checkpoint);
    }
}

/// A model, and its layers for a few sizes of its input. Files beside it have 64 bytes.
fn onnx_model(data: &[u8]) {
    let Some(model) = checked(OnnxModel::from_bytes(data.to_vec(), |_| Ok(vec![0x3c; 64]))) else { return };
    for shapes in [&[][..], &[(String::new(), vec![1, 3, 16, 16])], &[(String::new(), vec![2, 5])]] {
        let Some(network) = checked(model.network(shapes)) else { continue };
        for layer in network.layers() {
            if let Some(matrix) = checked(network.matrix(layer)) {
                assert_eq!(matrix.data.len(), matrix.rows * matrix.cols, "{}", layer.name);
                assert_eq!(layer.in_weight_order(&matrix.data).len(), matrix.data.len(), "{}", layer.name);
            }
            checked(network.integers(layer));
        }
        checked(network.checkpoint());
        assert!(network.left_out().iter().all(|layer| !layer.why.contains('\n')));
    }
}

/// An index, and the same bytes as one of two shards.
fn shard_index(data: &[u8]) {
    if let Some(index) = checked(ShardIndex::read(data)) {
        // Names beside the index: two dots within one lead nowhere.
        assert!(index.files().iter().all(|file| !file.contains(['/', '\\']) && *file != ".."));
    }
    let shards = [("m-00001-of-00002.safetensors", data), ("m.index.json", data)];
    checked(Checkpoint::from_files(&shards, &ReadOptions::default()));
}

/// Byte ranges of images must lie in the file.
fn check_listing(listing: &Listing, length: usize) {
    for at in 0..listing.len() {
        let (offset, size) = listing.image(at).span.expect("within an archive");
        let end = offset.checked_add(u64::from(size)).expect("no overflow");
        assert!(end <= length as u64, "{offset} + {size} in {length}");
    }
}

fn tar_archive(data: &[u8]) {
    let mut training = Listing::default();
    if checked(archive::list_training(&mut Cursor::new(data), "train.tar", &mut training)).is_some() {
        check_listing(&training, data.len());
    }
    let mut validation = Listing::default();
    if checked(archive::list_validation(Cursor::new(data), "val.tar", &[0, 1], &mut validation)).is_some() {
        check_listing(&validation, data.len());
    }
}

fn webdataset_shard(data: &[u8]) {
    let mut shards = Shards::default();
    if checked(shards.add(Cursor::new(data), "shard.tar", Split::Train)).is_none() {
        return;
    }
    if let Some(index) = checked(shards.finish(&[])) {
        check_listing(&index.train, data.len());
        check_labels(&index);
    }
}

/// Labels must be those of classes, also under a network's outputs.
fn check_labels(index: &Index) {
    let counts = index.train.per_class(index.classes.len());
    assert_eq!(counts.iter().sum::<usize>(), index.train.len());
    let mut matched = index.clone();
    if checked(outputs::match_outputs(&mut matched, 1000, None)).is_some() {
        assert_eq!(matched.train.per_class(matched.classes.len()).iter().sum::<usize>(), index.train.len());
    }
}

/// An archive of pictures in class folders. Tar files are also read as they are inside a gzip file.
fn image_archive(data: &[u8]) {
    let limits = Limits { file: 8 * MIB as u64, total: 16 * MIB as u64 };
    let keep = |path: &str| is_image(path) || is_label_file(path);
    let Some(Some(files)) = checked(unpack("a.zip", data, limits, &keep)) else { return };
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= 16 * MIB);
    for (path, _) in &files {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path}");
    }
    let tree = MemoryTree::new(files);
    for index in [checked(split_layout(&tree)), checked(class_layout(&tree))].into_iter().flatten().flatten()
    {
        check_labels(&index);
    }
}

fn image_index(data: &[u8]) {
    if let Some(index) = checked(Index::read(data)) {
        let mut text = Vec::new();
        index.write(&mut text).expect("memory");
        let again = Index::read(&*text).expect("reads what it wrote");
        assert_eq!((again.train.len(), again.val.len()), (index.train.len(), index.val.len()));
        check_labels(&index);
    }
    let classes = ["n01".to_owned(), "n02".to_owned()];
    checked(labels::read(&String::from_utf8_lossy(data), &classes));
}

fn mat_file(data: &[u8]) {
    if let Some(synsets) = checked(devkit::synsets(data)) {
        assert!(synsets.is_sorted_by(|a, b| a.wnid <= b.wnid));
        checked(devkit::ground_truth("1\n2\n", &synsets));
    }
}

fn image_file(data: &[u8]) {
    if let Ok(image) = decode::decode(data) {
        assert_eq!(image.pixels.len(), 3 * image.width * image.height);
    }
    if let Ok(image) = decode::decode_rows(data, |_, height| height / 2) {
        assert_eq!(image.pixels.len(), 3 * image.width * image.height);
    }
}

fn cifar_records(data: &[u8]) {
    let whole = data.to_vec();
    if let Some(images) = checked(cifar::parse("data_batch_1", data)) {
        assert!(images.images().all(|image| image.len() == 3072));
        assert!(images.labels.iter().all(|&label| usize::from(label) < images.classes.len()));
        let files = [("data_batch_1".to_owned(), whole)];
        if let Some(read) = checked(cifar::from_files(files, 1)) {
            assert_eq!(read.split.train.len() + read.split.test.len(), images.len());
        }
    }
}

/// The bytes as an archive, and as the tar file in one: the fuzzer need not compute checksums.
fn cifar_archive(data: &[u8]) {
    checked(cifar::from_files([("a.tar.gz".to_owned(), data.to_vec())], 0));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(data).expect("memory");
    checked(cifar::from_files([("a (1).gz".to_owned(), packed.finish().expect("memory"))], 1));
}

/// Fields of a URL, an option or a file, as JSON.
fn config_fields(data: &[u8]) {
    let Ok(fields) = serde_json::from_slice(data) else { return };
    let (train, hardware) = (TrainConfig::default(), HardwareConfig::default());
    if let Some((train, hardware)) = checked(config::apply(&train, &hardware, &fields)) {
        train.validate().expect("valid once applied");
        hardware.validate().expect("valid once applied");
        train.device_choices();
    }
}

fn adc_model(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some(model) = checked(CustomModel::from_toml(&text, "custom")) else { return };
    let source = ModelSource::Custom(model);
    let Some(converter) = checked(Converter::new(source, AdcParams::default())) else { return };
    for bits in 0..20 {
        checked(converter.cost(bits));
    }
}
