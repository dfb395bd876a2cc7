//! The Hoyer variance on graphics processors: the same formula in two shaders, instead of two dozen operations whose
//! start costs more than what they do.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Shape;
use burn_cubecl::CubeBackend;
use burn_cubecl::cubecl;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::HoyerVariance;
use crate::crossbar::hoyer::EPSILON;
use crate::kernels::fits_gpu;
use crate::kernels::gpu::launch::{grid, new_like, side_by_side};
use crate::loss::penalty::Penalty;

/// The operation that graphics processors gain.
#[backend_extension(Cube, Fusion)]
pub(crate) trait GpuRegularizer: Backend {
    /// The gradient, in the weight's shape, and the value of each tile.
    #[fusion(meta = outputs)]
    fn hoyer_variance(
        weight: FloatTensor<Self>,
        variance: HoyerVariance,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn outputs(weight: &TensorSpec, variance: &HoyerVariance) -> (TensorSpec, TensorSpec) {
    (weight.clone(), TensorSpec::new(tile_losses(&weight.shape, variance), weight.dtype))
}

/// The shape of the tiles' values.
pub(crate) fn tile_losses(shape: &Shape, variance: &HoyerVariance) -> Shape {
    Shape::from([tiles(shape, variance).iter().product::<usize>()])
}

/// Tiles along the outputs, and along the inputs.
fn tiles(shape: &Shape, variance: &HoyerVariance) -> [usize; 2] {
    let inputs: usize = shape[1] * shape[2] * shape[3];
    [shape[0].div_ceil(variance.tile.columns), inputs.div_ceil(variance.tile.rows)]
}

/// Value and gradient; `None` on other devices.
///
/// # Shapes
/// - `weight`: `[out, in, kh, kw]`
pub(super) fn evaluate(variance: &HoyerVariance, weight: &burn::tensor::Tensor<4>) -> Option<Penalty> {
    if !fits_gpu(weight) {
        return None;
    }
    let weight = weight.clone().into_dispatch();
    let (gradient, losses) = <Dispatch as GpuRegularizer>::hoyer_variance(weight, *variance);
    let losses = burn::tensor::Tensor::<1>::from_dispatch(losses);
    Some(Penalty { loss: losses.sum(), gradient: burn::tensor::Tensor::from_dispatch(gradient) })
}

/// What the shaders are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TileColumns {
    pub rows: usize,
    pub columns: usize,
    gated: bool,
    /// Whether the mean counts, too.
    mean: bool,
}

impl TileColumns {
    pub fn new(variance: &HoyerVariance) -> Self {
        Self {
            rows: variance.tile.rows,
            columns: variance.tile.columns,
            gated: variance.gated,
            mean: variance.lambda_mean != 0.0,
        }
    }
}

impl GpuRegularizer for CubeBackend {
    fn hoyer_variance(weight: CubeTensor, variance: HoyerVariance) -> (CubeTensor, CubeTensor) {
        let weight = side_by_side(weight);
        let columns = densities(&weight, &variance);
        let gradient = new_like(&weight, weight.meta.shape().clone());
        let losses = new_like(&weight, tile_losses(weight.meta.shape(), &variance));
        let client = weight.client.clone();
        let (count, dim) = grid(&client, columns.meta.num_elements() / 2);
        gradient_shader::launch(
            &client,
            count,
            dim,
            weight.into_tensor_arg(),
            columns.into_tensor_arg(),
            gradient.clone().into_tensor_arg(),
            losses.clone().into_tensor_arg(),
            variance.lambda as f32,
            variance.lambda_mean as f32,
            TileColumns::new(&variance),
        );
        (gradient, losses)
    }
}

/// The densities `S^2 / Q` and the quotients `S / Q` of all tiles' columns.
///
/// # Shapes
/// - `weight`: `[out, in, kh, kw]`, values side by side
/// - output: `[2, tiles along the inputs, out]`
pub(crate) fn densities(weight: &CubeTensor, variance: &HoyerVariance) -> CubeTensor {
    let shape = weight.meta.shape();
    let [_, blocks] = tiles(shape, variance);
    let outputs = shape[0];
    let densities = new_like(weight, Shape::from([2, blocks, outputs]));
    let client = weight.client.clone();
    let (count, dim) = grid(&client, blocks * outputs);
    density_shader::launch(
        &client,
        count,
        dim,
        weight.clone().into_tensor_arg(),
        densities.clone().into_tensor_arg(),
        EPSILON as f32,
        TileColumns::new(variance),
    );
    densities
}

/// Each unit computes one column of one tile: its density `S^2 / Q`, and behind all densities `S / Q`.
#[cube(launch)]
fn density_shader(
    weight: &Tensor<f32>,
    densities: &mut Tensor<f32>,
    epsilon: f32,
    #[comptime] tile: TileColumns,
) {
    let blocks = densities.shape(1);
    let outputs = densities.shape(2);
    if ABSOLUTE_POS >= blocks * outputs {
        terminate!();
    }
    let rows = comptime!(tile.rows);
    let inputs = weight.stride(0);
    let output = ABSOLUTE_POS % outputs;
    let first = (ABSOLUTE_POS / outputs) * rows;
    let count = select(first + rows < inputs, rows, inputs - first);
    let start = output * inputs + first;
    let mut sum = 0.0f32;
    let mut squares = epsilon;
    for row in 0..count {
        let value = weight[start + row];
        sum += value.abs();
        squares += value * value;
    }
    let ratio = sum / squares;
    densities[ABSOLUTE_POS] = sum * ratio;
    densities[blocks * outputs + ABSOLUTE_POS] = ratio;
}

/// Where a column of a tile lies, and its gradient `by_sign * sign(w) - by_weight * w`.
#[derive(CubeType)]
pub(crate) struct ColumnGradient {
    /// Position of its first weight.
    pub start: usize,
    /// Its weights.
    pub height: usize,
    pub by_sign: f32,
    pub by_weight: f32,
}

/// What the column at `at` contributes; the first column of a tile writes the tile's value as well. Padding columns of a
/// tile at the edge have the density 0, and count.
#[cube]
pub(crate) fn column_gradient(
    at: usize,
    densities: &Tensor<f32>,
    losses: &mut Tensor<f32>,
    inputs: usize,
    lambda: f32,
    lambda_mean: f32,
    #[comptime] tile: TileColumns,
) -> ColumnGradient {
    let blocks = densities.shape(1);
    let outputs = densities.shape(2);
    let rows = comptime!(tile.rows);
    let columns = comptime!(tile.columns);
    let all_columns = comptime!(tile.columns as f32);
    let freedom = comptime!(tile.columns as f32 - 1.0);
    let output = at % outputs;
    let block = at / outputs;
    let first_output = (output / columns) * columns;
    let count = select(first_output + columns < outputs, columns, outputs - first_output);
    let of_tile = block * outputs + first_output;

    let mut mean = 0.0f32;
    for column in 0..count {
        mean += densities[of_tile + column];
    }
    mean /= all_columns;

    if output == first_output {
        let mut squared = f32::cast_from(columns - count) * mean * mean;
        for column in 0..count {
            let deviation = densities[of_tile + column] - mean;
            squared += deviation * deviation;
        }
        let mut loss = squared * lambda / freedom;
        if comptime!(tile.mean) {
            loss += (mean - 1.0f32) * lambda_mean;
        }
        losses[(output / columns) * blocks + block] = loss;
    }

    let mut deviation = densities[at] - mean;
    if comptime!(tile.gated) {
        deviation = select(deviation > 0.0f32, deviation, 0.0f32);
    }
    let mut by_density = deviation * 4.0f32 * lambda / freedom;
    if comptime!(tile.mean) {
        by_density += 2.0f32 * lambda_mean / all_columns;
    }
    let ratio = densities[blocks * outputs + at];
    let by_sign = by_density * ratio;
    let first = block * rows;
    ColumnGradient {
        start: output * inputs + first,
        height: select(first + rows < inputs, rows, inputs - first),
        by_sign,
        by_weight: by_sign * ratio,
    }
}

/// A weight's part of its column's gradient.
#[cube]
pub(crate) fn weight_gradient(weight: f32, by_sign: f32, by_weight: f32) -> f32 {
    let sign = select(weight == 0.0f32, 0.0f32, select(weight > 0.0f32, by_sign, -by_sign));
    sign - weight * by_weight
}

/// Each unit computes the gradient of one column of one tile.
#[cube(launch)]
fn gradient_shader(
    weight: &Tensor<f32>,
    densities: &Tensor<f32>,
    gradient: &mut Tensor<f32>,
    losses: &mut Tensor<f32>,
    lambda: f32,
    lambda_mean: f32,
    #[comptime] tile: TileColumns,
) {
    if ABSOLUTE_POS >= densities.shape(1) * densities.shape(2) {
        terminate!();
    }
    let inputs = weight.stride(0);
    let column = column_gradient(ABSOLUTE_POS, densities, losses, inputs, lambda, lambda_mean, tile);
    for row in 0..column.height {
        let at = column.start + row;
        gradient[at] = weight_gradient(weight[at], column.by_sign, column.by_weight);
    }
}
