//! Small valid files for each target: what the fuzzer starts from.

#[path = "../crate/src/data/imagenet/mat_fixture.rs"]
mod mat_fixture;
#[path = "../crate/src/checkpoint/pytorch/tests/fixtures.rs"]
mod pytorch_fixtures;

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use crossdub::checkpoint::{Checkpoint, NamedTensor, safetensors};
use crossdub::{HardwareConfig, TrainConfig};
use pytorch_fixtures::{Program, floats, legacy, zip};

/// The seeds of every target, by name.
pub fn all() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let state = |program: Program| {
        program.dict(|p| {
            p.text("state_dict").dict(|p| {
                let p = p.tensor("module.a.weight", "FloatStorage", "0", 0, &[2, 1, 1, 2], &[1, 2, 2, 2]);
                p.tensor("module.a.bias", "HalfStorage", "1", 0, &[2], &[1])
            })
        })
    };
    let storages = [("0", floats(&[1.0, 2.0, 3.0, 4.0])), ("1", vec![0, 0x3c, 0, 0xc0])];
    let pickle = state(Program::new()).stop();
    let quantized = Program::new().dict(|p| {
        let per_tensor = |p: Program| p.global("torch", "per_tensor_affine").float(0.5).int(1);
        p.quantized("a.weight", "QInt8Storage", "0", &[2, 1, 1, 2], &[2, 2, 2, 1], per_tensor)
    });
    let quantized = quantized.stop();
    let one = |p: Program, key: &str| {
        p.text(key).dict(|p| p.tensor("module.c.weight", "FloatStorage", "0", 0, &[1, 1, 2], &[2, 2, 1]))
    };
    let several = Program::new().dict(|p| one(one(p, "state_dict"), "state_dict_ema")).stop();
    let tar_training = tar(&[
        ("n01.tar", &tar(&[("n01_1.JPEG", b"one"), ("n01_2.JPEG", b"")])),
        ("n02.tar", &tar(&[("n02_1.JPEG", b"two")])),
    ]);
    let record = |label: u8| [vec![label], vec![7; 3072]].concat();
    let synsets = [(1, "n01440764", 0, 1300), (2, "n0", 3, 0)];
    let files = [("data_batch_1.bin", record(3)), ("test_batch.bin", record(1))];
    let cifar: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &**bytes)).collect();
    vec![
        ("pytorch_zip", vec![
            zip(&pickle, &storages, false),
            zip(&pickle, &storages, true),
            zip(&quantized, &storages, false),
            zip(&several, &storages, false),
        ]),
        ("pytorch_pickle", vec![pickle.clone(), quantized.clone(), several.clone()]),
        ("pytorch_legacy", vec![legacy(&pickle, &[("0", floats(&[0.5; 4])), ("1", vec![0; 8])])]),
        ("safetensors", vec![tensors(&BTreeMap::new()), parts(), scaled()]),
        ("shard_index", vec![
            br#"{"metadata":{"total_size":4},"weight_map":{"a":"m-00001-of-00002.safetensors"}}"#.to_vec(),
            tensors(&BTreeMap::new()),
        ]),
        ("training_checkpoint", vec![training_checkpoint()]),
        ("tar_archive", vec![tar_training, tar(&[("v_1.JPEG", b"a"), ("v_2.JPEG", b"b")])]),
        ("webdataset_shard", vec![
            tar(&[("a.jpg", b"x"), ("a.cls", b"1"), ("b.cls", b"2\n"), ("b.png", b"")]),
            tar(&[("a.jpg", b"x"), ("a.json", br#"{"label":1,"wnid":"n02"}"#), ("._a.jpg", b""), ("a.seg.png", b"")]),
        ]),
        ("image_index", vec![
            b"crossdub-index 1\nclass\tn01\nclass\tn02\ntrain\t1\t512\t9\ttrain.tar\ta.JPEG\nval\t0\t-\t-\tval\tb.JPEG\n".to_vec(),
            b"ImageId,Class\na.JPEG n01\nb 1\n".to_vec(),
        ]),
        ("mat_file", vec![mat_fixture::meta_mat(&synsets, false), mat_fixture::meta_mat(&synsets, true)]),
        ("image_file", vec![image(image::ImageFormat::Png), image(image::ImageFormat::Jpeg)]),
        ("cifar_records", vec![record(9), [record(0), record(1)].concat(), cifar_pickle(7), [vec![3], record(17)].concat()]),
        ("cifar_archive", vec![tar(&cifar), gzip(&tar(&cifar)), tar(&[("data_batch_1", &cifar_pickle(1)), ("test_batch", &cifar_pickle(2))])]),
        ("image_archive", vec![
            tar(&[("x/cat/1.png", b"a"), ("x/dog/1.png", b"b"), ("x/dog/._1.png", b"")]),
            gzip(&tar(&[("train/n01/images/1.JPEG", b"a"), ("val/images/2.JPEG", b"b"), ("val/val_annotations.txt", b"2.JPEG\tn01\n")])),
            zip_of(&[("train/10/1.png", b"a"), ("train/9/1.png", b"b"), ("val/9/1.png", b"c")]),
        ]),
        ("recipe", vec![
            include_bytes!("../recipes/builtin-quick.toml").to_vec(),
            include_bytes!("../recipes/resnet18-sample.toml").to_vec(),
        ]),
        ("sweep_list", vec![b"lambda=1e-3 seed=0\nseed=0..4 # twice\ntrain.epochs=1,2\n".to_vec(), b"seed=0..4\n".to_vec()]),
        ("onnx_model", onnx_models()),
        ("config_fields", vec![
            br#"{"tile":64,"model":"resnet18","lambda":0.5,"devices":"cpu","resolution":"lossless"}"#.to_vec(),
            br#"{"plan":"8 M 16","classifier":"10","batch":32,"adc":"isaac","seed":3.0}"#.to_vec(),
        ]),
        ("adc_model", vec![
            b"name = \"mine\"\n[[point]]\nbits = 4\nenergy_pj = 0.5\narea_um2 = 100.0\ntime_ns = 1.0\n[[point]]\nbits = 8\nenergy_pj = 2.0\n".to_vec(),
            b"[linear]\nbase_pj = 0.1\nper_bit_pj = 0.2\nbits = [1, 12]\n".to_vec(),
            b"[exponential]\nbase_pj = 0.1\nper_code_pj = 0.001\n".to_vec(),
        ]),
        ("run_report", vec![report()]),
    ]
}

/// Small networks by each of PyTorch's exporters and of onnxruntime's ways to quantize, and a graph with branches.
fn onnx_models() -> Vec<Vec<u8>> {
    let fixtures = [
        include_bytes!("../tests/onnx/fixtures/small_vgg.dynamo.onnx").to_vec(),
        include_bytes!("../tests/onnx/fixtures/small_vgg.qoperator.onnx").to_vec(),
        include_bytes!("../tests/onnx/fixtures/blocks.qdq.onnx").to_vec(),
        include_bytes!("../tests/onnx/fixtures/tokens.torchscript.onnx").to_vec(),
    ];
    fixtures.into_iter().chain([branches()]).collect()
}

/// `y = if c { x + w } else { x - w }`, with `w` made by nodes.
fn branches() -> Vec<u8> {
    // A field of bytes: its number, its length in 7 bits a byte, its content.
    let field = |number: u8, content: &[u8]| {
        let length = [content.len() as u8 | 0x80, (content.len() >> 7) as u8];
        [&[number << 3 | 2][..], &length, content].concat()
    };
    let text = |number: u8, text: &str| field(number, text.as_bytes());
    let node = |op: &str, inputs: &[&str], output: &str, attributes: Vec<u8>| {
        let inputs: Vec<u8> = inputs.iter().flat_map(|name| text(1, name)).collect();
        field(1, &[inputs, text(2, output), text(4, op), attributes].concat())
    };
    let branch = |op: &str| [node(op, &["x", "w"], "z", vec![]), field(12, &text(1, "z"))].concat();
    let attribute =
        |name: &str, op: &str| field(5, &[text(1, name), field(6, &branch(op)), vec![0xa0, 1, 5]].concat());
    let both = [attribute("then_branch", "Add"), attribute("else_branch", "Sub")].concat();
    // One boolean, one float of 2.
    let constant = |name: &str, element: u8, bytes: &[u8]| {
        field(5, &[vec![8, 1, 0x10, element], text(8, name), field(9, bytes)].concat())
    };
    let shape = field(2, &field(1, &field(2, &field(1, &[8, 1]))));
    let float = field(2, &field(1, &[vec![8, 1], shape].concat()));
    let graph = [
        node("Concat", &["v"], "w", field(5, &[text(1, "axis"), vec![0x18, 0, 0xa0, 1, 2]].concat())),
        node("If", &["c"], "y", both),
        constant("c", 9, &[1]),
        constant("v", 1, &[0, 0, 0, 0x40]),
        field(11, &[text(1, "x"), float].concat()),
        field(12, &text(1, "y")),
    ];
    [vec![8, 8], field(7, &graph.concat()), field(8, &[0x10, 17])].concat()
}

fn tensors(metadata: &BTreeMap<String, String>) -> Vec<u8> {
    let tensor = |name: &str, shape: &[usize]| {
        let data = vec![0.5; shape.iter().product()];
        NamedTensor { name: name.to_owned(), shape: shape.to_vec(), data }
    };
    let tensors = vec![tensor("weight/a.weight", &[2, 1, 2, 1]), tensor("history", &[1, 6])];
    safetensors::write_with_metadata(&Checkpoint::new(tensors), metadata).expect("consistent")
}

/// A file of these tensors, of any types.
fn stored(tensors: &[(&str, &str, &[usize], usize)]) -> Vec<u8> {
    let (mut header, mut end) = (String::new(), 0);
    for (name, dtype, shape, size) in tensors {
        let comma = if header.is_empty() { "{" } else { "," };
        let (start, stop) = (end, end + size);
        header += &format!(
            "{comma}{name:?}:{{\"dtype\":{dtype:?},\"shape\":{shape:?},\"data_offsets\":[{start},{stop}]}}"
        );
        end = stop;
    }
    header.push('}');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend((0..end).map(|at| (at * 37 % 61) as u8));
    bytes
}

/// Weights in parts: masks, normalizations, an analog tile, and two networks.
fn parts() -> Vec<u8> {
    stored(&[
        ("student.a.weight_orig", "F32", &[2, 2], 16),
        ("student.a.weight_mask", "F32", &[2, 2], 16),
        ("student.b.parametrizations.weight.original0", "F32", &[2, 1], 8),
        ("student.b.parametrizations.weight.original1", "F32", &[2, 2], 16),
        ("teacher.c.weight_orig", "F32", &[2, 2], 16),
        ("teacher.c.weight_u", "F32", &[2], 8),
        ("teacher.c.weight_v", "F32", &[2], 8),
        ("teacher.d.analog_tile_state.analog_tile_weights", "F32", &[1, 2], 8),
        ("teacher.d.analog_tile_state.shared_weights", "F32", &[1, 2], 8),
    ])
}

/// Weights of 8 bits with their scales.
fn scaled() -> Vec<u8> {
    stored(&[
        ("a.weight", "F8_E4M3", &[2, 3, 1, 1], 6),
        ("a.weight_scale_inv", "F32", &[1, 1], 4),
        ("b.weight", "I8", &[2, 3], 6),
        ("b.scale", "F32", &[2], 8),
        ("c.weight", "U8", &[1, 3], 3),
        ("c.weight_scale", "F32", &[1], 4),
        ("c.weight_zero_point", "I8", &[1], 1),
        ("d.qweight", "I32", &[1], 4),
        ("d.steps", "I64", &[], 8),
    ])
}

fn training_checkpoint() -> Vec<u8> {
    let state = serde_json::json!({
        "version": 1, "spec": TrainConfig::default(), "hardware": HardwareConfig::default(), "step": 3,
        "watch": { "best_accuracy": 12.5 },
    });
    tensors(&BTreeMap::from([("crossdub_checkpoint".to_owned(), state.to_string())]))
}

fn report() -> Vec<u8> {
    let energy = serde_json::json!({ "paper": { "dense": 8.0, "actual": 4.0, "improvement": 2.0 } });
    let report = serde_json::json!({
        "schema_version": 1, "name": "one", "version": "0.1.0", "spec": TrainConfig::default(),
        "hardware": HardwareConfig::default(),
        "training": { "device": "cpu", "adapter": "flex", "accuracy": 50.0, "loss": 1.0, "seconds": 2.0 },
        "stages": [{
            "name": "train", "kind": "train", "accuracy": 50.0, "loss": 1.0, "weights": 8, "zeros": 4,
            "histogram": [1, 0, 1], "energy": energy, "seconds": 2.0, "epochs": [],
        }],
        "maps": [{ "name": "a", "across": 1, "down": 2, "level": [0, 2] }],
        "analysis": { "weights": 8, "zeros": 4, "histogram": [1, 0, 1], "energy": energy },
    });
    report.to_string().into_bytes()
}

/// One image of CIFAR's Python version.
fn cifar_pickle(label: u8) -> Vec<u8> {
    let mut program = b"\x80\x02}(U\x06labels](K".to_vec();
    program.push(label);
    program.extend(b"eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01K\x01M\0\x0c\x86");
    program.extend(b"cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNNK\0K\0K\0tb\x89T\0\x0c\0\0");
    program.extend([7; 3072]);
    program.extend(b"tbu.");
    program
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, ::zip::write::SimpleFileOptions::default()).expect("memory");
        writer.write_all(bytes).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).expect("memory");
    }
    builder.into_inner().expect("memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("memory");
    packer.finish().expect("memory")
}

fn image(format: image::ImageFormat) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(9, 7, |x, y| image::Rgb([(x * 28) as u8, (y * 36) as u8, 90]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).expect("memory");
    bytes.into_inner()
}
