//! A layer's options: one for each precision, with the options of its tiles.

use super::super::budget::{Tradeoff, hull};
use super::tile_path::{TileOption, TileWeights};
use crate::adc::CellEnergy;
use crate::config::{Granularity, HardwareConfig, MAX_BITS, WeightScale};
use crate::crossbar::bit_planes::{CellShape, LayerQuantization};
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::tiling::{Tile, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// Precisions that are tried, as far as the hardware has them, and the hardware's own.
const PRECISIONS: [u32; 5] = [2, 3, 4, 5, 6];
/// The most tiles of a layer that decide about its precision.
const SAMPLED_TILES: usize = 128;
/// The most times that steps are fitted.
const FITTED_STEPS: usize = 10;
/// A layer at one precision.
pub(super) struct LayerOption {
    pub precision: u32,
    pub steps: Vec<f32>,
    /// The hull of each tile.
    pub tiles: Vec<Vec<TileOption>>,
}

impl LayerOption {
    /// Least cost and price of all tiles, with its energy.
    pub fn at_price(&self, price: f64) -> (f64, f64) {
        let best = |tile: &Vec<TileOption>| {
            let points = tile.iter().map(|option| option.point);
            let sum = |point: &Tradeoff| point.cost + price * point.energy;
            points
                .min_by(|a, b| sum(a).total_cmp(&sum(b)))
                .map_or((0.0, 0.0), |point| (sum(&point), point.energy))
        };
        let tiles = self.tiles.iter().map(best);
        tiles.fold((0.0, 0.0), |(sum, energy), (own, of_tile)| (sum + own, energy + of_tile))
    }
}

/// Finds the options of a layer.
pub(super) struct LayerSearch<'a> {
    pub layer: &'a Matrix,
    /// Of each input.
    pub factors: Option<&'a [f32]>,
    /// How much a column's conversion counts; `None` if every crossbar counts once.
    pub weight: Option<f64>,
    pub hardware: &'a HardwareConfig,
    pub energy: &'a CellEnergy,
}

impl LayerSearch<'_> {
    fn tiling(&self) -> Tiling {
        Tiling::new(self.layer, self.cells().tile)
    }

    /// How much a crossbar of a tile counts.
    fn weight_of(&self, tile: &Tile) -> f64 {
        self.weight.map_or(1.0, |weight| weight * tile.columns() as f64)
    }

    /// Energy with all cells set.
    pub fn dense_energy(&self) -> f64 {
        let tiling = self.tiling();
        let tiles = (0..tiling.len()).map(|index| tiling.tile(index));
        tiles.map(|tile| self.weight_of(&tile) * self.energy.dense(tile.rows())).sum()
    }

    /// The precisions that the layer may have, upward.
    pub fn precisions(&self) -> Vec<u32> {
        let (own, cell_bits) = (self.hardware.weight_precision, self.hardware.cell_bits);
        let precisions = PRECISIONS.into_iter().filter(|&bits| bits < own).chain([own]);
        // Cells of more bits than a weight has could not be filled.
        precisions.filter(|&bits| bits > cell_bits && bits <= MAX_BITS).collect()
    }

    /// The option of this precision; of a large layer from a sample of its tiles, evenly spaced.
    pub fn sampled(&self, precision: u32) -> LayerOption {
        let per_channel = self.hardware.weight_scale == WeightScale::Channel;
        let steps = LayerQuantization::search_steps(self.layer, precision, per_channel);
        self.option(precision, steps, self.tiling().len().div_ceil(SAMPLED_TILES))
    }

    /// Whether this option is of a sample.
    pub fn is_sampled(&self, option: &LayerOption) -> bool {
        self.tiling().len() > option.tiles.len()
    }

    /// The same option for all tiles.
    pub fn with_all_tiles(&self, option: &LayerOption) -> LayerOption {
        self.option(option.precision, option.steps.clone(), 1)
    }

    /// The cells that hold the layer.
    pub fn cells(&self) -> CellShape {
        CellShape::from(self.hardware)
    }

    /// The same caps with steps that lose less: those of least squares for the integers, and the integers for these steps,
    /// as long as that helps.
    pub fn fit_steps(&self, start: LayerQuantization) -> LayerQuantization {
        let cells = self.cells();
        let mut best = start;
        let mut integers = best.integers(self.layer, cells);
        let mut least = self.lost(&integers);
        // Caps of a tile do not hold the energy of its single columns.
        let bound =
            (self.hardware.per == Granularity::Column).then(|| self.energy_of(&integers, best.precision));
        for _ in 0..FITTED_STEPS {
            let next = LayerQuantization { steps: self.steps_of(&integers, &best.steps), ..best.clone() };
            integers = next.integers(self.layer, cells);
            let lost = self.lost(&integers);
            let exceeds = bound.is_some_and(|bound| self.energy_of(&integers, next.precision) > bound);
            if lost >= least || exceeds {
                break;
            }
            (best, least) = (next, lost);
        }
        best
    }

    /// Energy of these integers.
    fn energy_of(&self, integers: &QuantizedMatrix, precision: u32) -> f64 {
        let slices = (precision - 1).div_ceil(self.hardware.cell_bits) as usize;
        let tiling = self.tiling();
        let of_tile = |index: usize| -> f64 {
            let tile = tiling.tile(index);
            let mut counts = self.energy.counts(tile.rows(), slices);
            for output in tile.outputs.clone() {
                counts.add_column(&integers.row(output)[tile.inputs.clone()]);
            }
            let slices = (0..slices).map(|slice| self.energy.of_slice(&counts, slice));
            self.weight_of(&tile) * slices.sum::<f64>()
        };
        parallel::map(tiling.len(), of_tile).iter().sum()
    }

    fn factor(&self, input: usize) -> f64 {
        self.factors.map_or(1.0, |factors| f64::from(factors[input]))
    }

    /// Sums over the inputs of an output: of weights times integers, and of integers squared.
    fn products(&self, integers: &QuantizedMatrix, output: usize) -> (f64, f64) {
        let pairs = self.layer.row(output).iter().zip(integers.row(output)).enumerate();
        pairs.fold((0.0, 0.0), |(cross, squares), (at, (&weight, &integer))| {
            let integer = f64::from(integer);
            let factor = self.factor(at);
            (cross + factor * f64::from(weight) * integer, squares + factor * integer * integer)
        })
    }

    /// The steps of least squares for these integers: one, or one for each output. One without an integer stays.
    fn steps_of(&self, integers: &QuantizedMatrix, steps: &[f32]) -> Vec<f32> {
        let sums = parallel::map(self.layer.rows, |output| self.products(integers, output));
        let sums = match steps.len() {
            1 => vec![sums.iter().fold((0.0, 0.0), |all, own| (all.0 + own.0, all.1 + own.1))],
            _ => sums,
        };
        let fitted = sums.iter().zip(steps).map(|(&(cross, squares), &step)| {
            let fitted = (cross / squares) as f32;
            if fitted.is_finite() && fitted >= f32::MIN_POSITIVE { fitted } else { step }
        });
        fitted.collect()
    }

    /// The squared errors of these integers, times their inputs' factors.
    fn lost(&self, integers: &QuantizedMatrix) -> f64 {
        let of_output = |output: usize| -> f64 {
            let pairs = self.layer.row(output).iter().zip(integers.row(output)).enumerate();
            let scale = integers.scales[output];
            pairs
                .map(|(at, (&weight, &integer))| {
                    (f64::from(weight) - scale * f64::from(integer)).powi(2) * self.factor(at)
                })
                .sum()
        };
        parallel::map(self.layer.rows, of_output).iter().sum()
    }

    /// The layer at this precision and with these steps, of every so many tiles, which stand for the others.
    fn option(&self, precision: u32, steps: Vec<f32>, every: usize) -> LayerOption {
        let Self { layer, factors, hardware, .. } = *self;
        let (cells, tiling) = (CellShape::from(hardware), self.tiling());
        let squares_of = |row: usize| -> f64 {
            let weights = layer.row(row).iter().enumerate();
            weights.map(|(at, &weight)| f64::from(weight).powi(2) * self.factor(at)).sum()
        };
        let total: f64 = (0..layer.rows).map(squares_of).sum();
        let scale = if total > 0.0 { every as f64 / total } else { 0.0 };
        let mut tiles = parallel::map(tiling.len().div_ceil(every.max(1)), |at| {
            let tile = tiling.tile(at * every);
            let weight = every as f64 * self.weight_of(&tile);
            let tile = TileWeights { layer, tile: &tile, factors, steps: &steps, precision, scale };
            tile.path(cells, weight, self.energy)
        });
        keep_a_cell(&mut tiles);
        let tiles = tiles.into_iter().map(|path| hull(undominated(path))).collect();
        LayerOption { precision, steps, tiles }
    }
}

/// The options of a path that none of less energy is as good as.
fn undominated(path: Vec<TileOption>) -> Vec<TileOption> {
    let mut kept: Vec<TileOption> = Vec::with_capacity(path.len());
    for option in path {
        while kept.last().is_some_and(|last| last.point.cost >= option.point.cost) {
            kept.pop();
        }
        if kept.last().is_none_or(|last| last.point.energy > option.point.energy) {
            kept.push(option);
        }
    }
    kept
}

/// No layer may become all zero: the tile that would lose most keeps a cell.
fn keep_a_cell(tiles: &mut [Vec<TileOption>]) {
    let most = |options: &Vec<TileOption>| options.last().map_or(0.0, |last| last.point.cost);
    if let Some(options) = tiles.iter_mut().max_by(|a, b| most(a).total_cmp(&most(b)))
        && options.iter().any(|option| !option.is_empty)
    {
        options.retain(|option| !option.is_empty);
    }
}
