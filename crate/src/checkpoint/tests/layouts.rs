//! Weights that lie in memory otherwise than outputs first.

use super::{Checkpoint, ReadOptions, Stored, failure, file, layers, noted, ramp, read};

#[test]
fn other_layouts_become_outputs_and_inputs() {
    let transposed =
        [ramp("down.weight", &[4, 3, 3, 3]), ramp("up.weight", &[4, 2, 2, 2]), ramp("up.bias", &[2])];
    let weights = read(&transposed);
    assert_eq!(layers(&weights, false)[1], "up.weight 2x16/1", "its bias tells");
    let wanted = ReadOptions { transposed: vec!["up".to_owned()], ..ReadOptions::default() };
    let weights = Checkpoint::from_files(&[("", &file(&transposed[..2]))], &wanted).expect("readable");
    assert_eq!(layers(&weights, false)[1], "up.weight 2x16/1");
    let matrix = weights.matrices(false).expect("layers").remove(1);
    assert_eq!(matrix.data[..8], [1.0, 2.0, 3.0, 4.0, 9.0, 10.0, 11.0, 12.0]);
    // The way back: what is pruned there is written where it was.
    let mut changed = matrix;
    changed.data[4] = 0.0;
    assert_eq!(weights.clone().with_layers(vec![changed]).get("up.weight").expect("there").data[8], 0.0);

    let mlx =
        noted(r#"{"format":"mlx"}"#, &[ramp("a.weight", &[8, 3, 3, 3]), ramp("b.weight", &[4, 1, 1, 8])]);
    let weights = Checkpoint::from_bytes(&mlx).expect("readable");
    assert_eq!(layers(&weights, false), ["a.weight 8x27/1", "b.weight 4x8/1"]);
    let unnoted = read(&[ramp("a.weight", &[8, 3, 3, 3]), ramp("b.weight", &[4, 3, 3, 8])]);
    assert_eq!(layers(&unnoted, false), ["a.weight 8x27/1", "b.weight 4x72/1"]);
    assert!(unnoted.account(false).notes.iter().any(|note| note.contains("MLX")));
    // Kernels of one row: 1 x 64, then 1 x 5 over 16 inputs.
    let rows = read(&[ramp("a.weight", &[16, 1, 1, 64]), ramp("b.weight", &[32, 16, 1, 5])]);
    assert_eq!(layers(&rows, false), ["a.weight 16x64/1", "b.weight 32x80/1"]);
    assert!(rows.account(false).notes.is_empty());
    let flax = read(&[ramp("conv.kernel", &[3, 3, 2, 5]), ramp("dense.kernel", &[5, 4])]);
    assert_eq!(layers(&flax, true), ["conv.kernel 5x18/1", "dense.kernel 4x5/1"]);
    let keyword = read(&[ramp("conv1.weight", &[4, 3, 5]), ramp("conv3.weight", &[4, 4, 1, 2, 2])]);
    assert_eq!(layers(&keyword, false), ["conv1.weight 4x15/1", "conv3.weight 4x16/1"]);
}

/// GPT-2 stores [in, out], which a bias can't tell where a layer is as long as wide.
#[test]
fn square_layers_are_read_as_their_neighbours_are() {
    let layer = |name: &'static str, shape: &'static [usize], bias: &'static [usize]| {
        [ramp(name, shape), ramp(name.replace("weight", "bias").leak(), bias)]
    };
    let attention = || layer("h.0.attn.c_attn.weight", &[2, 6], &[6]);
    let square = || layer("h.0.attn.c_proj.weight", &[2, 2], &[2]);
    let column = |tensors: Vec<Stored<'_>>| {
        let matrices = read(&tensors).matrices(true).expect("layers");
        let square = matrices.into_iter().find(|matrix| matrix.name.contains("c_proj")).expect("taken");
        square.row(0).to_vec()
    };
    assert_eq!(column(attention().into_iter().chain(square()).collect()), [1.0, 3.0]);
    // Alone, or beside one that is stored as usual, nothing says so.
    assert_eq!(column(square().into()), [1.0, 2.0]);
    let usual = layer("head.weight", &[6, 2], &[6]);
    assert_eq!(column(attention().into_iter().chain(square()).chain(usual).collect()), [1.0, 2.0]);
}

/// StyleGAN puts a dimension of 1 before its weights, and holds noise and a constant beside them.
#[test]
fn modulated_convolutions_are_read_without_their_first_dimension() {
    let weights = read(&[
        ramp("input.input", &[1, 32, 4, 4]),
        ramp("conv1.conv.weight", &[1, 2, 32, 3, 3]),
        ramp("noises.noise_0", &[1, 1, 4, 4]),
    ]);
    let matrices = weights.matrices(false).expect("layers");
    assert_eq!(
        matrices.iter().map(|m| (&*m.name, m.rows, m.cols)).collect::<Vec<_>>(),
        [("conv1.conv.weight", 2, 288)]
    );
    let values = matrices[0].data.clone();
    assert_eq!(weights.with_layers(matrices).get("conv1.conv.weight").expect("kept").data, values);
}

#[test]
fn groups_can_be_given() {
    let tensors = file(&[ramp("a.weight", &[4, 3, 1, 1]), ramp("b.weight", &[4, 2, 1, 1])]);
    let read = |name: &str, groups| {
        let options = ReadOptions { groups: vec![(name.to_owned(), groups)], ..ReadOptions::default() };
        Checkpoint::from_files(&[("", &tensors)], &options)
    };
    assert_eq!(layers(&read("b.weight", 2).expect("readable"), false)[1], "b.weight 4x2/2");
    assert_eq!(layers(&read("b", 1).expect("readable"), false)[1], "b.weight 4x2/1");
    assert!(failure(read("b", 3)).contains("4 outputs"));
    assert!(failure(read("c", 2)).contains("nearest is"));
}
