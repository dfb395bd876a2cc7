//! The rule `bit-planes`: every layer gets a precision, and every weight slice of every tile a cap on the set cells of a
//! column, so that the lossless count meets a target and least is lost. (This rule is new here.)
//!
//! A tile's options at one precision are a path: from the nearest integers, always the slice whose cap falls to the next
//! number that needs a bit less (`2^b - 1` on binary cells) with the least loss for the energy it saves, down to an empty tile. An option's *cost* is the sum over its
//! weights of their importance times the squared relative error, its *energy* that of converting each slice and polarity
//! at the bits of its fullest column. Cost and energy are sums over tiles, so Lagrange's argument holds as for the rule
//! [`budget`](super::budget): for a price of energy, each tile takes the option of least cost and price, and each layer the
//! precision of least sum; the price at which the target is met loses least of all choices of as little energy. Then,
//! with these precisions, tiles take the steps of their hulls until the target is met.

use super::PruneStats;
use super::budget::{Tradeoff, hull, slope};
use crate::adc::CellEnergy;
use crate::config::{HardwareConfig, MAX_BITS, WeightScale};
use crate::crossbar::bit_planes::{CellShape, ColumnProjection, LayerQuantization};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::count_tiles;
use crate::crossbar::tiling::{Tile, Tiling};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::parallel;

/// Precisions that are tried, as far as the hardware has them, and the hardware's own.
const PRECISIONS: [u32; 5] = [2, 3, 4, 5, 6];
/// Halvings of the interval of prices.
const BISECTIONS: usize = 60;

/// What a budget of set cells is to reach.
pub struct BitPlaneBudget<'a> {
    /// Energy of all tiles with all cells set over that with their caps, 1 or more.
    pub target: f64,
    /// The crossbars; `weight_precision` is that of the network before.
    pub hardware: &'a HardwareConfig,
    /// How much a column's conversion counts in each layer, for example its output positions; `None` if every crossbar
    /// counts once.
    pub weights: Option<&'a [f64]>,
}

/// An option of a tile.
#[derive(Debug, Clone)]
struct TileOption {
    point: Tradeoff,
    /// The caps of each slice: positive and negative.
    caps: Vec<u32>,
    /// Whether no cell is set.
    is_empty: bool,
}

impl AsRef<Tradeoff> for TileOption {
    fn as_ref(&self) -> &Tradeoff {
        &self.point
    }
}

/// A layer at one precision.
struct LayerOption {
    precision: u32,
    steps: Vec<f32>,
    /// The hull of each tile.
    tiles: Vec<Vec<TileOption>>,
}

impl LayerOption {
    /// Least cost and price of all tiles, with its energy.
    fn at_price(&self, price: f64) -> (f64, f64) {
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

/// Chooses precisions, steps and caps. `importance` has a factor for each input of each layer, such as the mean square of
/// the activations there, or is `None`.
///
/// # Errors
/// If the target is below 1, or can't be met with a cell left in every layer, or the mapping sets cells for weights of 0.
///
/// ```
/// use crossdub::config::HardwareConfig;
/// use crossdub::matrix::Matrix;
/// use crossdub::prune::bit_planes::{BitPlaneBudget, choose};
///
/// let weights = (0..64).map(|at| (at as f32 * 0.7).sin()).collect();
/// let layers = [Matrix::new("w", 4, 16, weights)?];
/// let hardware = HardwareConfig { tile: 16, ..HardwareConfig::default() };
/// let budget = BitPlaneBudget { target: 10.0, hardware: &hardware, weights: None };
/// let chosen = choose(&layers, None, &budget)?;
/// assert!(chosen[0].precision < 8);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn choose(
    layers: &[Matrix],
    importance: Option<&[Vec<f32>]>,
    budget: &BitPlaneBudget<'_>,
) -> Result<Vec<LayerQuantization>> {
    let BitPlaneBudget { target, hardware, .. } = *budget;
    if cfg!(feature = "web") {
        // The page does not offer this rule, and without it its module stays under 1 MB.
        return Err(Error::field("rule", "bit-planes", "is not in this build"));
    }
    if !(target.is_finite() && target >= 1.0) {
        return Err(Error::field("target", target, "must be an improvement of 1 or more"));
    }
    let energy = CellEnergy::new(hardware)?;
    let dense: f64 =
        layers.iter().enumerate().map(|(at, layer)| dense_energy(layer, at, budget, &energy)).sum();
    let options: Vec<Vec<LayerOption>> = layers
        .iter()
        .enumerate()
        .map(|(at, layer)| {
            let factors = importance.map(|importance| &*importance[at]);
            layer_options(layer, factors, at, budget, &energy)
        })
        .collect();
    let chosen = choose_precisions(&options, dense / target);
    let caps = choose_tiles(&chosen, dense, target)?;
    let quantization = |(option, caps): (&LayerOption, Vec<u32>)| LayerQuantization {
        precision: option.precision,
        steps: option.steps.clone(),
        caps,
    };
    Ok(chosen.into_iter().zip(caps).map(quantization).collect())
}

/// Replaces the layers' weights by their integers' values, with their steps.
pub fn apply(layers: &mut [Matrix], chosen: &[LayerQuantization], hardware: &HardwareConfig) -> PruneStats {
    let cells = CellShape::from(hardware);
    let levels = Levels::new(cells.tile.rows);
    let mut stats = PruneStats::default();
    for (layer, chosen) in layers.iter_mut().zip(chosen) {
        let before = count_tiles(layer, cells.tile, 0.0);
        layer.data = chosen.values(layer, cells);
        layer.steps = Some(chosen.steps.clone());
        stats.count(&before, &count_tiles(layer, cells.tile, 0.0), levels);
    }
    stats
}

/// How much a crossbar of a tile counts.
fn weight(budget: &BitPlaneBudget<'_>, layer: usize, tile: &Tile) -> f64 {
    budget.weights.map_or(1.0, |weights| weights[layer] * tile.columns() as f64)
}

/// Energy with all cells set.
fn dense_energy(layer: &Matrix, at: usize, budget: &BitPlaneBudget<'_>, energy: &CellEnergy) -> f64 {
    let tiling = Tiling::new(layer, CellShape::from(budget.hardware).tile);
    let tiles = (0..tiling.len()).map(|index| tiling.tile(index));
    tiles.map(|tile| weight(budget, at, &tile) * energy.dense(tile.rows())).sum()
}

/// A layer's options: one precision each.
fn layer_options(
    layer: &Matrix,
    factors: Option<&[f32]>,
    at: usize,
    budget: &BitPlaneBudget<'_>,
    energy: &CellEnergy,
) -> Vec<LayerOption> {
    let hardware = budget.hardware;
    let cells = CellShape::from(hardware);
    let tiling = Tiling::new(layer, cells.tile);
    let per_channel = hardware.weight_scale == WeightScale::Channel;
    let total: f64 = (0..layer.rows).map(|row| squares(layer.row(row), factors, |weight, _| weight)).sum();
    let own = hardware.weight_precision;
    let precisions = PRECISIONS.into_iter().filter(|&bits| bits < own).chain([own]);
    let option = |precision: u32| {
        let steps = LayerQuantization::search_steps(layer, precision, per_channel);
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        let mut tiles = parallel::map(tiling.len(), |index| {
            let tile = tiling.tile(index);
            let tile = TileWeights { layer, tile: &tile, factors, steps: &steps, precision, scale };
            tile.path(cells, weight(budget, at, tile.tile), energy)
        });
        keep_a_cell(&mut tiles);
        LayerOption {
            precision,
            steps,
            tiles: tiles.into_iter().map(|path| hull(undominated(path))).collect(),
        }
    };
    // Cells of more bits than a weight has could not be filled.
    precisions.filter(|&bits| bits > cells.cell_bits && bits <= MAX_BITS).map(option).collect()
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

/// The sum of a function of each weight's error, squared, times its input's factor.
fn squares(weights: &[f32], factors: Option<&[f32]>, error: impl Fn(f64, usize) -> f64) -> f64 {
    let factor = |at: usize| factors.map_or(1.0, |factors| f64::from(factors[at]));
    weights.iter().enumerate().map(|(at, &weight)| error(f64::from(weight), at).powi(2) * factor(at)).sum()
}

/// The weights of a tile, at one precision.
struct TileWeights<'a> {
    layer: &'a Matrix,
    tile: &'a Tile,
    /// Of each input.
    factors: Option<&'a [f32]>,
    steps: &'a [f32],
    precision: u32,
    /// What makes costs relative to the layer.
    scale: f64,
}

impl TileWeights<'_> {
    /// The tile's options, by falling energy.
    fn path(&self, cells: CellShape, weight: f64, energy: &CellEnergy) -> Vec<TileOption> {
        let mut projection = ColumnProjection::new(cells, self.precision);
        let slices = (self.precision - 1).div_ceil(cells.cell_bits) as usize;
        let mut state = self.evaluate(&mut projection, vec![self.tile.rows(); slices], energy);
        let rows = self.tile.rows().min(cells.rows_at_once);
        let mut options = Vec::new();
        loop {
            options.push(TileOption {
                point: Tradeoff {
                    keep: options.len(),
                    energy: weight * state.energy(),
                    cost: self.scale * state.cost,
                },
                // As many cells as these bits allow, and no more: training may not spend what was saved.
                caps: state.slices.iter().flat_map(|slice| slice.caps.map(|cap| cap as u32)).collect(),
                is_empty: state.slices.iter().all(|slice| slice.most == 0),
            });
            // The best slice to lower, by loss for energy.
            let mut best: Option<(f64, TileState)> = None;
            for slice in (0..slices).filter(|&slice| state.slices[slice].most > 0) {
                let mut caps = state.caps.clone();
                caps[slice] = energy.most_at_fewer_bits(state.slices[slice].most, rows);
                let next = self.evaluate(&mut projection, caps, energy);
                let saved = state.energy() - next.energy();
                let price = if saved > 0.0 { (next.cost - state.cost) / saved } else { f64::INFINITY };
                if best.as_ref().is_none_or(|(least, _)| price < *least) {
                    best = Some((price, next));
                }
            }
            match best {
                Some((_, next)) => state = next,
                None => return options,
            }
        }
    }

    /// Loss, and what each slice takes, under these caps.
    fn evaluate(
        &self,
        projection: &mut ColumnProjection,
        caps: Vec<usize>,
        energy: &CellEnergy,
    ) -> TileState {
        let inputs = self.tile.inputs.clone();
        let factors = self.factors.map(|factors| &factors[inputs.clone()]);
        let mut counts = energy.counts(self.tile.rows(), caps.len());
        let of_polarities: Vec<usize> = caps.iter().flat_map(|&cap| [cap; 2]).collect();
        let mut cost = 0.0;
        for output in self.tile.outputs.clone() {
            let step = f64::from(self.steps[if self.steps.len() == 1 { 0 } else { output }]);
            let column = &self.layer.row(output)[inputs.clone()];
            let integers = projection.project(column, step, &of_polarities);
            cost += squares(column, factors, |weight, at| weight - f64::from(integers[at]) * step);
            counts.add_column(integers);
        }
        let slice = |slice: usize| SliceState {
            most: counts.most(slice),
            caps: energy.caps(&counts, slice),
            energy: energy.of_slice(&counts, slice),
        };
        let slices = (0..caps.len()).map(slice).collect();
        TileState { caps, cost, slices }
    }
}

/// A tile under some caps.
struct TileState {
    /// Of each slice.
    caps: Vec<usize>,
    /// Not yet relative to the layer.
    cost: f64,
    slices: Vec<SliceState>,
}

impl TileState {
    fn energy(&self) -> f64 {
        self.slices.iter().map(|slice| slice.energy).sum()
    }
}

/// A slice of a tile: the set cells of its fullest column, what each polarity may have at its bits, and its energy.
#[derive(Debug, Clone, Copy)]
struct SliceState {
    most: usize,
    caps: [usize; 2],
    energy: f64,
}

/// The options that the price of energy chooses at which all layers take at most `limit`: one for each layer.
fn choose_precisions(options: &[Vec<LayerOption>], limit: f64) -> Vec<&LayerOption> {
    let at_price = |price: f64| {
        let best = |layer: &'_ Vec<LayerOption>| {
            let sums = layer.iter().enumerate().map(|(at, option)| (at, option.at_price(price)));
            sums.min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map_or((0, 0.0), |(at, (_, energy))| (at, energy))
        };
        options.iter().map(best).collect::<Vec<_>>()
    };
    let energy = |chosen: &[(usize, f64)]| chosen.iter().map(|(_, energy)| energy).sum::<f64>();
    // From free energy to energy that outweighs all weights.
    let (mut low, mut high) = (1e-12_f64, 1e12_f64);
    let mut chosen = at_price(high);
    if energy(&at_price(low)) <= limit {
        chosen = at_price(low);
    } else if energy(&chosen) <= limit {
        for _ in 0..BISECTIONS {
            let middle = (low * high).sqrt();
            let of_middle = at_price(middle);
            if energy(&of_middle) <= limit {
                (high, chosen) = (middle, of_middle);
            } else {
                low = middle;
            }
        }
    }
    options.iter().zip(chosen).filter_map(|(layer, (at, _))| layer.get(at)).collect()
}

/// The caps of each layer's tiles, slice by slice, so that the energy is at most `dense / target`.
fn choose_tiles(layers: &[&LayerOption], dense: f64, target: f64) -> Result<Vec<Vec<u32>>> {
    let mut steps = Vec::new();
    let mut chosen: Vec<Vec<usize>> = layers.iter().map(|layer| vec![0; layer.tiles.len()]).collect();
    let mut energy = 0.0;
    for (at, layer) in layers.iter().enumerate() {
        for (tile, options) in layer.tiles.iter().enumerate() {
            energy += options.first().map_or(0.0, |option| option.point.energy);
            steps.extend(options.windows(2).enumerate().map(|(step, pair)| {
                let saved = pair[0].point.energy - pair[1].point.energy;
                (slope(&pair[0].point, &pair[1].point), (at, tile, step + 1), saved)
            }));
        }
    }
    steps.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (_, (layer, tile, option), saved) in steps {
        if energy <= dense / target {
            break;
        }
        energy -= saved;
        chosen[layer][tile] = option;
    }
    // Sums of many steps have rounding errors.
    if energy > dense / target * (1.0 + 1e-9) {
        let why = format!("can't be met: at most {:.2} is possible", dense / energy.max(f64::MIN_POSITIVE));
        return Err(Error::field("target", target, why));
    }
    let caps = layers.iter().zip(chosen).map(|(layer, chosen)| {
        layer.tiles.iter().zip(chosen).flat_map(|(options, at)| options[at].caps.clone()).collect()
    });
    Ok(caps.collect())
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
