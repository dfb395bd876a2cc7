//! PyTorch checkpoints made by hand: views, element types, wrappers, formats.

mod fixtures;
mod malformed;

use self::fixtures::{Program, floats, zip};
use super::looks_like;
use crate::checkpoint::Checkpoint;

/// Reads a zip checkpoint and shows its tensors as `name [shape] [data]`.
fn check(program: Program, storages: &[(&str, Vec<u8>)], expected: &[&str]) {
    let weights = Checkpoint::from_bytes(&zip(&program.stop(), storages, false)).expect("readable");
    let mut shown: Vec<String> =
        weights.tensors.iter().map(|t| format!("{} {:?} {:?}", t.name, t.shape, t.data)).collect();
    shown.sort();
    assert_eq!(shown, expected);
}

fn ramp(count: u8) -> Vec<u8> {
    floats(&(0..count).map(f32::from).collect::<Vec<_>>())
}

#[test]
fn views_of_one_storage() {
    let program =
        Program::new().dict(|p| p.tensor("whole", "FloatStorage", "0", 0, &[2, 3], &[3, 1])).items(|p| {
            p.tensor("transposed", "FloatStorage", "0", 0, &[3, 2], &[1, 3])
                .tensor("row", "FloatStorage", "0", 3, &[3], &[1])
                .tensor("same", "FloatStorage", "0", 5, &[2, 2], &[0, 0])
                .tensor("scalar", "FloatStorage", "0", 4, &[], &[])
                .tensor("empty", "FloatStorage", "9", 7, &[0, 4], &[4, 1])
                // The product overflows before it comes to the 0.
                .tensor("void", "FloatStorage", "9", 0, &[1 << 40, 1 << 27, 1 << 24, 0], &[1 << 62, 9, 1, 1])
        });
    check(
        program,
        &[("0", ramp(6))],
        &[
            "empty [0, 4] []",
            "row [3] [3.0, 4.0, 5.0]",
            "same [2, 2] [5.0, 5.0, 5.0, 5.0]",
            "scalar [] [4.0]",
            "transposed [3, 2] [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]",
            "void [1099511627776, 134217728, 16777216, 0] []",
            "whole [2, 3] [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]",
        ],
    );
}

#[test]
fn element_types() {
    let program = Program::new().dict(|p| {
        p.tensor("half", "HalfStorage", "h", 0, &[2], &[1])
            .tensor("brain", "BFloat16Storage", "b", 0, &[2], &[1])
            .tensor("double", "DoubleStorage", "d", 0, &[1], &[1])
            .tensor("steps", "LongStorage", "missing", 0, &[], &[])
    });
    let half = [0x00, 0x3c, 0x00, 0xc0].to_vec();
    let brain = [0x80, 0x3f, 0x00, 0xc0].to_vec();
    let double = 0.5f64.to_le_bytes().to_vec();
    check(
        program,
        &[("h", half), ("b", brain), ("d", double)],
        &["brain [2] [1.0, -2.0]", "double [1] [0.5]", "half [2] [1.0, -2.0]"],
    );
}

#[test]
fn big_endian_elements() {
    let program = Program::new().dict(|p| p.tensor("a", "FloatStorage", "0", 0, &[1], &[1]));
    let stored = [("0", 1.5f32.to_be_bytes().to_vec()), ("../byteorder", b"big".to_vec())];
    check(program, &stored, &["a [1] [1.5]"]);
}

#[test]
fn training_checkpoint() {
    let program = Program::new()
        .dict(|p| {
            p.text("model").dict(|p| {
                let p = p.tensor("module.a", "FloatStorage", "0", 0, &[1], &[1]);
                p.tensor("module._orig_mod.b", "FloatStorage", "0", 1, &[1], &[1])
            })
        })
        .items(|p| {
            let moments = |p: Program| p.tensor("exp_avg", "FloatStorage", "0", 0, &[1], &[1]);
            p.tensor("best_accuracy", "FloatStorage", "0", 0, &[], &[])
                .text("optimizer")
                .dict(|p| p.text("state").dict(moments).text("param_groups").dict(|p| p))
                .text("epoch")
                .int(3)
                .text("args")
                .call("argparse", "Namespace")
        });
    check(program, &[("0", ramp(2))], &["a [1] [0.0]", "b [1] [1.0]"]);
}

#[test]
fn unknown_calls_stay_opaque() {
    let program = Program::new()
        .dict(|p| p.text("evil").call("os", "system"))
        .items(|p| p.tensor("a", "FloatStorage", "0", 0, &[1], &[1]));
    check(program, &[("0", ramp(1))], &["a [1] [0.0]"]);
}

#[test]
fn prefixes_that_tell_tensors_apart_stay() {
    let program = Program::new().dict(|p| {
        p.tensor("module.a", "FloatStorage", "0", 0, &[1], &[1]).tensor(
            "a",
            "FloatStorage",
            "0",
            1,
            &[1],
            &[1],
        )
    });
    check(program, &[("0", ramp(2))], &["a [1] [1.0]", "module.a [1] [0.0]"]);
}

#[test]
fn first_bytes_tell_the_format() {
    assert!(looks_like(b"PK\x03\x04"));
    assert!(looks_like(&[0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9]));
    // A safetensors header of 0x280 bytes.
    assert!(!looks_like(b"\x80\x02\0\0\0\0\0\0{\"a\""));
    assert!(!looks_like(b""));
}

#[test]
fn quantized_tensors_carry_their_scales() {
    let per_tensor = |p: Program| p.global("torch", "per_tensor_affine").float(0.5).int(1);
    let per_channel = |p: Program| {
        let scales = p.global("torch", "per_channel_affine").view("DoubleStorage", "s", 0, &[2], &[1]);
        scales.view("LongStorage", "z", 0, &[2], &[1]).int(0)
    };
    let program = Program::new()
        .dict(|p| p.quantized("a.weight", "QInt8Storage", "0", &[2, 2], &[2, 1], per_tensor))
        .items(|p| p.quantized("b.weight", "QUInt8Storage", "1", &[2, 1], &[1, 1], per_channel));
    let scales: Vec<u8> = [2.0_f64, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let zero_points: Vec<u8> = [0_i64, 10].iter().flat_map(|v| v.to_le_bytes()).collect();
    let storages = [("0", vec![1, 0, 0xff, 0x80]), ("1", vec![3, 20]), ("s", scales), ("z", zero_points)];
    check(program, &storages, &["a.weight [2, 2] [0.0, -0.5, -1.0, -64.5]", "b.weight [2, 1] [6.0, 40.0]"]);
}

#[test]
fn the_network_is_found_in_what_surrounds_it() {
    let sets = |p: Program| {
        p.text("student")
            .dict(|p| p.tensor("module.backbone.a.weight", "FloatStorage", "0", 0, &[1, 2], &[2, 1]))
    };
    let program = Program::new().dict(sets).items(|p| {
        p.text("teacher")
            .dict(|p| p.tensor("backbone.a.weight", "FloatStorage", "0", 2, &[1, 2], &[2, 1]))
            .text("optimizer")
            .dict(|p| {
                p.text("state")
                    .dict(|p| p.tensor("momentum_buffer", "FloatStorage", "0", 0, &[1, 2], &[2, 1]))
            })
    });
    let weights = Checkpoint::from_bytes(&zip(&program.stop(), &[("0", ramp(4))], false)).expect("readable");
    let account = weights.account(true);
    assert_eq!(
        (account.network.as_deref(), &account.other_networks[..]),
        (Some("teacher"), &["student".to_owned()][..])
    );
    assert_eq!(account.taken.len(), 1);
    let moments = Program::new().dict(|p| {
        p.text("state")
            .dict(|p| p.tensor("exp_avg", "FloatStorage", "0", 0, &[1], &[1]))
            .text("param_groups")
            .dict(|p| p)
    });
    let said =
        Checkpoint::from_bytes(&zip(&moments.stop(), &[("0", ramp(1))], false)).expect_err("no network");
    assert!(said.to_string().contains("optimizer"), "{said}");
}

#[test]
fn tied_tensors_are_layers_once() {
    let tensor = |p: Program, name: &str| p.tensor(name, "FloatStorage", "0", 0, &[2, 2], &[2, 1]);
    let program = Program::new().dict(|p| tensor(p, "a.weight")).items(|p| tensor(p, "b.weight"));
    let weights = Checkpoint::from_bytes(&zip(&program.stop(), &[("0", ramp(4))], false)).expect("readable");
    let mut layers = weights.matrices(true).expect("a layer");
    assert_eq!((layers.len(), weights.tensors.len()), (1, 2));
    layers[0].data[3] = 0.0;
    let pruned = weights.with_layers(layers);
    assert_eq!(pruned.get("a.weight").map(|t| &t.data), pruned.get("b.weight").map(|t| &t.data));
}
