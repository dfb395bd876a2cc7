//! Kinds of files, made by hand: each with the layers that are right.

use super::{Checkpoint, CheckpointAccount, NamedTensor, ReadOptions, safetensors};
use crate::error::Error;

mod layouts;

/// A tensor as it is stored.
struct Stored<'a> {
    name: &'a str,
    dtype: &'a str,
    shape: &'a [usize],
    bytes: Vec<u8>,
}

fn floats<'a>(name: &'a str, shape: &'a [usize], values: &[f32]) -> Stored<'a> {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Stored { name, dtype: "F32", shape, bytes }
}

/// Values that are all different.
fn ramp<'a>(name: &'a str, shape: &'a [usize]) -> Stored<'a> {
    let count: usize = shape.iter().product();
    floats(name, shape, &(0..count).map(|i| i as f32 + 1.0).collect::<Vec<_>>())
}

fn bytes<'a>(name: &'a str, dtype: &'a str, shape: &'a [usize], bytes: &[u8]) -> Stored<'a> {
    Stored { name, dtype, shape, bytes: bytes.to_vec() }
}

/// A safetensors file of these tensors, in this order.
fn file(tensors: &[Stored<'_>]) -> Vec<u8> {
    noted("{}", tensors)
}

/// The same with notes in its header.
fn noted(notes: &str, tensors: &[Stored<'_>]) -> Vec<u8> {
    let mut end = 0;
    let mut header = format!("{{\"__metadata__\":{notes}");
    for Stored { name, dtype, shape, bytes } in tensors {
        let start = end;
        end += bytes.len();
        header += &format!(
            ",{name:?}:{{\"dtype\":{dtype:?},\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        );
    }
    header.push('}');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    tensors.iter().for_each(|tensor| file.extend(&tensor.bytes));
    file
}

fn read(tensors: &[Stored<'_>]) -> Checkpoint {
    Checkpoint::from_bytes(&file(tensors)).expect("readable")
}

/// The layers as `name outputs x inputs / groups`.
fn layers(weights: &Checkpoint, linear: bool) -> Vec<String> {
    let shown = weights.matrices(linear).expect("layers").into_iter();
    shown.map(|m| format!("{} {}x{}/{}", m.name, m.rows, m.cols, m.groups)).collect()
}

fn reasons(account: &CheckpointAccount) -> Vec<(&str, &str)> {
    account.left_out.iter().map(|tensor| (&*tensor.name, &*tensor.why)).collect()
}

fn data<'a>(weights: &'a Checkpoint, name: &str) -> &'a [f32] {
    &weights.get(name).unwrap_or_else(|| panic!("{name} is missing")).data
}

fn options(network: &str) -> ReadOptions {
    ReadOptions { network: Some(network.to_owned()), ..ReadOptions::default() }
}

fn failure(result: Result<Checkpoint, Error>) -> String {
    result.map(|_| ()).expect_err("rejected").to_string()
}

#[test]
fn a_depthwise_layer_is_mapped_group_by_group_whatever_lies_between() {
    let tensor = |name: &str, shape: &[usize]| NamedTensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: vec![0.5; shape.iter().product()],
    };
    let weights = Checkpoint::new(vec![
        tensor("0.weight", &[8, 3, 3, 3]),
        tensor("1.weight", &[8]),
        tensor("2.weight", &[8, 1, 3, 3]),
        tensor("3.weight", &[4, 8]),
    ]);
    assert_eq!(layers(&weights, true), ["0.weight 8x27/1", "2.weight 8x9/8", "3.weight 4x8/1"]);
}

#[test]
fn pruning_masks_are_applied_once() {
    let shape = [1, 1, 1, 3];
    let weights = read(&[
        floats("a.weight_orig", &shape, &[1.0, -2.0, f32::INFINITY]),
        floats("a.weight_mask", &shape, &[1.0, 1.0, 0.0]),
        floats("b.bias_orig", &[2], &[1.0, 2.0]),
        floats("b.bias_mask", &[2], &[0.0, 1.0]),
    ]);
    assert_eq!(data(&weights, "a.weight"), [1.0, -2.0, 0.0]);
    assert_eq!(data(&weights, "b.bias"), [0.0, 2.0]);
    assert_eq!(layers(&weights, true), ["a.weight 1x3/1"]);
    let account = weights.account(false);
    assert!(reasons(&account).contains(&("a.weight_mask", "pruning mask, applied to its weight")));
    assert!(account.notes.iter().any(|note| note.contains("2 tensors are masked")), "{:?}", account.notes);
    // NNI's wrappers keep the weight under its own name.
    let weights = read(&[
        floats("c.module.weight", &shape, &[1.0, 2.0, 3.0]),
        floats("c.weight_mask", &shape, &[0.0, 1.0, 1.0]),
    ]);
    assert_eq!(data(&weights, "c.module.weight"), [0.0, 2.0, 3.0]);
}

#[test]
fn weight_normalization_in_both_spellings_and_any_dimension() {
    let v = [3.0, 4.0, 0.0, 5.0];
    for (g, w) in [
        ("a.weight_g", "a.weight_v"),
        ("a.parametrizations.weight.original0", "a.parametrizations.weight.original1"),
    ] {
        let weights = read(&[floats(g, &[2, 1], &[10.0, 1.0]), floats(w, &[2, 2], &v)]);
        assert_eq!(data(&weights, "a.weight"), [6.0, 8.0, 0.0, 1.0], "{g}");
        assert_eq!(layers(&weights, true), ["a.weight 2x2/1"]);
    }
    // Norms of the second dimension: (3, 0) and (4, 5).
    let second =
        read(&[floats("a.weight_g", &[1, 2], &[1.0, 41_f32.sqrt()]), floats("a.weight_v", &[2, 2], &v)]);
    assert_eq!(data(&second, "a.weight"), [1.0, 4.0, 0.0, 5.0]);
    // One norm of all: sqrt(50).
    let all = read(&[floats("a.weight_g", &[], &[50_f32.sqrt()]), floats("a.weight_v", &[2, 2], &v)]);
    assert_eq!(data(&all, "a.weight"), v);
    // A mask on the direction.
    let masked = read(&[
        floats("a.weight_g", &[2, 1], &[2.0, 1.0]),
        floats("a.weight_v_orig", &[2, 2], &v),
        floats("a.weight_v_mask", &[2, 2], &[1.0, 0.0, 1.0, 1.0]),
    ]);
    assert_eq!(data(&masked, "a.weight"), [2.0, 0.0, 0.0, 1.0]);
    let half = read(&[ramp("a.weight_v", &[2, 2]), ramp("b.weight", &[2, 2])]);
    assert_eq!(layers(&half, true), ["b.weight 2x2/1"]);
    assert!(safetensors::write(&half).is_err(), "a written file would lack a layer");
}

#[test]
fn spectral_normalization_divides_by_the_largest_singular_value() {
    // diag(4, 2): sigma is 4.
    let parts = |w: &'static str, u: &'static str, v: &'static str| {
        [
            floats(w, &[2, 2], &[4.0, 0.0, 0.0, 2.0]),
            floats(u, &[2], &[1.0, 0.0]),
            floats(v, &[2], &[1.0, 0.0]),
        ]
    };
    for [w, u, v] in [
        ["a.weight_orig", "a.weight_u", "a.weight_v"],
        ["a.weight_bar", "a.weight_u", "a.weight_v"],
        [
            "a.parametrizations.weight.original",
            "a.parametrizations.weight.0._u",
            "a.parametrizations.weight.0._v",
        ],
    ] {
        let weights = read(&parts(w, u, v));
        assert_eq!(data(&weights, "a.weight"), [1.0, 0.0, 0.0, 0.5], "{w}");
        assert_eq!(weights.tensors.len(), 1, "{w}");
    }
    // A transposed convolution's outputs are its second dimension.
    let weights = read(&[
        floats("a.weight_orig", &[1, 2, 1, 1], &[8.0, 6.0]),
        floats("a.weight_u", &[2], &[0.0, 1.0]),
        floats("a.weight_v", &[1], &[0.5]),
    ]);
    assert_eq!(data(&weights, "a.weight"), [8.0 / 3.0, 2.0]);
    // Square: only the vectors tell. Power iteration by the second dimension of [[1, 6], [0, 1]].
    let (mut u, mut v) = ([1.0_f64, 0.0], [0.0; 2]);
    for _ in 0..50 {
        let unit = |x: f64, y: f64| [x / x.hypot(y), y / x.hypot(y)];
        v = unit(u[0] + 6.0 * u[1], u[1]);
        u = unit(v[0], 6.0 * v[0] + v[1]);
    }
    let square = |w: [f32; 4], u: [f64; 2], v: [f64; 2]| {
        read(&[
            floats("a.weight_orig", &[2, 2, 1, 1], &w),
            floats("a.weight_u", &[2], &u.map(|value| value as f32)),
            floats("a.weight_v", &[2], &v.map(|value| value as f32)),
            floats("b.weight", &[2, 2, 1, 1], &[0.0; 4]),
        ])
    };
    // (6 + sqrt(40)) / 2.
    let sigma = 6.162_277_7;
    let up = square([1.0, 6.0, 0.0, 1.0], u, v);
    assert!((data(&up, "a.weight")[1] - 6.0 / sigma).abs() < 1e-6);
    // Its outputs are the second dimension.
    assert_eq!(up.matrices(false).expect("layers")[0].data[1], data(&up, "a.weight")[2]);
    let plain = square([1.0, 6.0, 0.0, 1.0], v, u);
    assert!((data(&plain, "a.weight")[1] - 6.0 / sigma).abs() < 1e-6);
    assert_eq!(plain.matrices(false).expect("layers")[0].data[1], data(&plain, "a.weight")[1]);
    // A symmetric weight has the same vectors in both.
    let unclear = square([2.0, 1.0, 1.0, 3.0], [0.525_731_1, 0.850_650_8], [0.525_731_1, 0.850_650_8]);
    let account = unclear.account(true);
    assert!(reasons(&account)[0].1.contains("may be a transposed convolution"), "{account:?}");
    let lone = read(&[ramp("a.weight_orig", &[2, 2]), ramp("a.weight_u", &[2]), ramp("b.weight", &[2, 2])]);
    let account = lone.account(true);
    assert!(reasons(&account)[0].1.contains("a.weight_v is missing"), "{account:?}");
    assert!(safetensors::write(&lone).is_err());
}

#[test]
fn integers_and_small_floats_are_numbers() {
    let weights = read(&[
        bytes("a.weight", "I8", &[2, 2], &[1, 0xff, 2, 0x80]),
        floats("a.weight_scale", &[2, 1], &[0.5, 0.25]),
        bytes("b.weight", "F8_E4M3", &[1, 2], &[0x38, 0xb8]),
        floats("b.weight_scale_inv", &[1, 1], &[3.0]),
        bytes("c.weight", "I8", &[1, 2], &[3, 0]),
        floats("c.scale", &[], &[2.0]),
        bytes("d.weight", "U8", &[1, 2], &[130, 128]),
        floats("d.weight_scale", &[1], &[1.0]),
        bytes("d.weight_zero_point", "U8", &[1], &[128]),
        bytes("e.weight._data", "I8", &[1, 2], &[1, 2]),
        floats("e.weight._scale", &[1], &[0.5]),
        bytes("f.weight", "I8", &[2, 1], &[127, 1]),
        floats("f.SCB", &[2], &[1.0, 127.0]),
        bytes("g.weight", "F8_E5M2", &[1, 1], &[0x3c]),
    ]);
    for (name, expected) in [
        ("a.weight", &[0.5, -0.5, 0.5, -32.0][..]),
        ("b.weight", &[3.0, -3.0]),
        ("c.weight", &[6.0, 0.0]),
        ("d.weight", &[2.0, 0.0]),
        ("e.weight", &[0.5, 1.0]),
        ("f.weight", &[1.0, 1.0]),
        ("g.weight", &[1.0]),
    ] {
        assert_eq!(data(&weights, name), expected, "{name}");
    }
    let matrices = weights.matrices(true).expect("layers");
    assert_eq!(matrices.len(), 7, "scales are no layers");
    assert_eq!(matrices[0].steps, Some(vec![0.5, 0.25]));
    assert_eq!(matrices[1].steps, None, "floats are not integers");
    assert!(reasons(&weights.account(true)).contains(&("a.weight_scale", "scale, applied to its weight")));
}

#[test]
fn tensors_without_numbers_are_named_and_kept() {
    let weights = read(&[
        ramp("a.weight", &[2, 1, 1, 1]),
        bytes("b.qweight", "I32", &[1, 1], &[1, 2, 3, 4]),
        bytes("b.new", "I4", &[2], &[1]),
        bytes("b.steps", "I64", &[], &[5, 0, 0, 0, 0, 0, 0, 0]),
    ]);
    let account = weights.account(false);
    assert!(reasons(&account)[0].1.contains("I4"), "{account:?}");
    assert_eq!(reasons(&account)[1], ("b.qweight", "packed integers, probably of 4 bits"));
    assert_eq!(account.left_out.len(), 3);
    let said = safetensors::write(&weights).expect_err("a type that can't be kept").to_string();
    assert!(said.contains("b.new"), "{said}");
    let weights =
        read(&[ramp("a.weight", &[2, 1, 1, 1]), bytes("b.steps", "I64", &[], &[5, 0, 0, 0, 0, 0, 0, 0])]);
    let again = Checkpoint::from_bytes(&safetensors::write(&weights).expect("writable")).expect("readable");
    assert_eq!(again.account(false).left_out, weights.account(false).left_out);
}

#[test]
fn one_network_of_several_is_taken() {
    let network = |prefix: &str| -> Vec<(String, Vec<usize>)> {
        vec![
            (format!("{prefix}conv1.weight"), vec![2, 3, 1, 1]),
            (format!("{prefix}conv2.weight"), vec![2, 2, 1, 1]),
        ]
    };
    let check = |prefixes: &[&str], taken: Option<&str>, others: &[&str]| {
        let tensors: Vec<_> = prefixes.iter().flat_map(|prefix| network(prefix)).collect();
        let stored: Vec<_> = tensors.iter().map(|(name, shape)| ramp(name, shape)).collect();
        let bytes = file(&stored);
        let account = Checkpoint::from_bytes(&bytes).expect("readable").account(false);
        assert_eq!(
            (account.network.as_deref(), &account.other_networks[..]),
            (taken, &others.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>()[..]),
            "{prefixes:?}"
        );
        let names: Vec<_> = account.taken.iter().map(|tensor| &*tensor.name).collect();
        if taken.is_some() {
            assert_eq!(names, ["conv1.weight", "conv2.weight"], "{prefixes:?}");
        }
        for other in others {
            let other = Checkpoint::from_files(&[("", &bytes)], &options(other)).expect("readable");
            assert_eq!(other.account(false).taken.len(), 2);
        }
        bytes
    };
    check(&["student.", "teacher."], Some("teacher"), &["student"]);
    check(&["module.encoder_k.", "module.encoder_q."], Some("encoder_q"), &["encoder_k"]);
    check(&["model.", "model_ema."], Some("model"), &["model_ema"]);
    check(&["model.", "ema_model.module."], Some("model"), &["ema_model"]);
    check(&["G.", "D."], Some("G"), &["D"]);
    check(&["block1.", "block2."], None, &[]);
    check(&["layers.0.", "layers.1."], None, &[]);
    check(&["grad_a.", "grad_b.", "pruned."], None, &[]);
    let bytes = check(&["left.", "right."], Some("left"), &["right"]);
    let said = failure(Checkpoint::from_files(&[("", &bytes)], &options("middle")));
    assert!(said.contains("network") && said.contains("left, right"), "{said}");
}

#[test]
fn shards_are_read_together() {
    let one = file(&[ramp("a.weight", &[2, 1, 1, 1])]);
    let two = file(&[ramp("b.weight", &[3, 2, 1, 1])]);
    let index = br#"{"weight_map":{"a.weight":"m-00001-of-00002.safetensors","b.weight":"m-00002-of-00002.safetensors"}}"#;
    let (first, second) = ("x/m-00001-of-00002.safetensors", "x/m-00002-of-00002.safetensors");
    let read = |files: &[(&str, &[u8])]| Checkpoint::from_files(files, &ReadOptions::default());
    let all = read(&[("x/m.index.json", index), (second, &two), (first, &one)]).expect("readable");
    assert_eq!(layers(&all, false), ["a.weight 2x1/1", "b.weight 3x2/1"]);
    assert_eq!(layers(&read(&[(second, &two), (first, &one)]).expect("readable"), false).len(), 2);
    let lone = read(&[(first, &one)]).expect("readable").account(false);
    assert!(lone.notes.iter().any(|note| note.contains("one of two")), "{:?}", lone.notes);
    assert!(failure(read(&[("i.json", index), (first, &one)])).contains("m-00002-of-00002"));
    assert!(failure(read(&[("i.json", index)])).contains("missing"));
    let other = file(&[ramp("c.weight", &[3, 2, 1, 1])]);
    let lacks = failure(read(&[("i.json", index), (first, &one), (second, &other)]));
    assert!(lacks.contains("its shards lack b.weight"), "{lacks}");
    assert!(failure(read(&[(first, &one), (second, &one)])).contains("two hold a.weight"));
    assert!(failure(read(&[("a.pth", &one), ("b.pth", &two)])).contains("one at a time"));
}

#[test]
fn the_order_of_the_file_is_the_order_of_layers() {
    let stem_last = [ramp("conv_stem.weight", &[4, 3, 1, 1]), ramp("blocks.0.weight", &[4, 1, 3, 3])];
    assert_eq!(layers(&read(&stem_last), false), ["conv_stem.weight 4x3/1", "blocks.0.weight 4x9/4"]);
    // A writer that sorts by name says nothing: then numbers count.
    let sorted = [ramp("f.10.weight", &[4, 4, 1, 1]), ramp("f.2.weight", &[4, 3, 1, 1])];
    assert_eq!(layers(&read(&sorted), false), ["f.2.weight 4x3/1", "f.10.weight 4x4/1"]);
}

#[test]
fn an_analog_tile_s_weights_are_taken_once() {
    let state = "0.analog_module.analog_tile_state";
    let names = [
        format!("{state}.analog_tile_weights"),
        format!("{state}.shared_weights"),
        format!("{state}.analog_tile_hidden_parameters"),
        "0.analog_module.tile.out_scaling_alpha".to_owned(),
    ];
    let weights = read(&[
        ramp(&names[0], &[4, 27]),
        ramp(&names[1], &[4, 27]),
        ramp(&names[2], &[2, 108]),
        ramp(&names[3], &[4]),
        ramp("0.bias", &[4]),
    ]);
    assert_eq!(layers(&weights, false), ["0.weight 4x27/1"]);
    assert_eq!(layers(&weights, true), ["0.weight 4x27/1"]);
    assert!(weights.account(true).left_out.iter().any(|tensor| tensor.why.contains("again")));
    let torch = read(&[ramp("1.analog_module.tile.weight", &[4, 9])]);
    assert_eq!(layers(&torch, false), ["1.tile.weight 4x9/1"]);
}
