//! Damaged and hostile files end in one line.

use proptest::prelude::*;

use super::{FIXTURES, model};
use crate::onnx::OnnxModel;

/// Reads, analyzes and runs whatever is left of a file.
fn use_up(bytes: Vec<u8>) -> Result<(), String> {
    let model = OnnxModel::from_bytes(bytes, |_| Ok(Vec::new()));
    let network = model.and_then(|model| {
        model.network(&[(String::new(), vec![1, 3, 16, 16])]).or_else(|_| model.network(&[]))
    });
    let network = network.map_err(|why| why.to_string())?;
    for layer in network.layers() {
        network.matrix(layer).map_err(|why| why.to_string())?;
    }
    let shapes = network.input_shapes();
    // A damaged shape may be large; running it takes long but no more memory than is allowed.
    if shapes.iter().all(|shape| shape.iter().product::<usize>() <= 3 * 32 * 32) {
        let zeros =
            shapes.iter().map(|s| super::Tensor::from_floats(s.to_vec(), vec![0.0; s.iter().product()]));
        network.run(zeros.collect()).map(drop).map_err(|why| why.to_string())?;
    }
    Ok(())
}

#[test]
fn files_that_are_cut_off_say_so() {
    for fixture in &FIXTURES {
        let whole = fixture.bytes();
        for length in (0..whole.len()).step_by(97) {
            let why = use_up(whole[..length].to_vec()).expect_err("cut off");
            assert!(!why.contains('\n'), "{why}");
        }
        assert!(OnnxModel::looks_like(&whole[..64]) && !OnnxModel::looks_like(b"PK\x03\x04"));
    }
    let half = FIXTURES[0].bytes().len() / 2;
    let why = model(FIXTURES[0].bytes()[..half].to_vec()).expect_err("cut off").to_string();
    assert_eq!(why, "reading ONNX: the file is damaged: it is cut off");
    assert_eq!(
        model(Vec::new()).expect_err("empty").to_string(),
        "reading ONNX: the file is damaged: it has no graph"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn damaged_bytes_never_panic(
        which in 0..FIXTURES.len(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        structure in any::<bool>(),
    ) {
        let mut bytes = FIXTURES[which].bytes().to_vec();
        // Names, attributes and shapes lie outside the weights: most of the time, change one of those.
        let places: Vec<usize> = (0..bytes.len()).filter(|&at| !structure || bytes[at] < 0x20).collect();
        for (at, byte) in changes {
            bytes[*at.get(&places)] = if structure { byte & 0x1f } else { byte };
        }
        let _ = use_up(bytes);
    }
}

/// Replaces a text by another of the same length.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    let mut count = 0;
    while at + from.len() <= bytes.len() {
        if &bytes[at..at + from.len()] == from.as_bytes() {
            bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
            count += 1;
        }
        at += 1;
    }
    assert!(count > 0, "{from} is not there");
    bytes
}

#[test]
fn unknown_operators_are_named_only_when_they_have_to_run() {
    let fixture = &FIXTURES[8];
    let network =
        model(renamed(&fixture.bytes(), "Softmax", "Softmex")).and_then(|m| m.network(&[])).expect("fits");
    // Layers before the unknown node have positions; those behind it say why not.
    assert_eq!(network.layers()[0].positions, Ok(16));
    let whys: Vec<_> = network.layers().iter().filter_map(|layer| layer.positions.clone().err()).collect();
    assert!(
        !whys.is_empty() && whys.iter().all(|why| why.contains("the operator Softmex is not supported")),
        "{whys:?}"
    );
    assert_eq!(network.layers().len(), fixture.model().network(&[]).expect("fits").layers().len());
    let why = network.run(vec![fixture.input()]).expect_err("unknown").to_string();
    assert!(
        why.starts_with("running ONNX (Softmex /") && why.ends_with("the operator Softmex is not supported"),
        "{why}"
    );
}

#[test]
fn weights_outside_the_folder_are_not_opened() {
    let bytes = super::file("fixtures/external/small_vgg.onnx");
    for (to, why) in
        [("../ghts/small_vgg.bin", "outside its folder"), ("/eights/small_vgg.bin", "outside its folder")]
    {
        let bytes = renamed(&bytes, "weights/small_vgg.bin", to);
        let rejected = OnnxModel::from_bytes(bytes, |_| panic!("opened"));
        assert!(rejected.expect_err("rejected").to_string().contains(why));
    }
}

#[test]
fn matrices_of_operators_that_are_not_counted_are_named() {
    let file = renamed(&FIXTURES[0].bytes(), "Gemm", "LSTM");
    let network = model(file).and_then(|model| model.network(&[])).expect("analyzes");
    assert_eq!(network.layers().len(), 2, "the convolutions");
    let left_out = network.left_out();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out.iter().all(|weight| weight.why == "the operator LSTM is not counted"), "{left_out:?}");
}
