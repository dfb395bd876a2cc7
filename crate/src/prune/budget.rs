//! The rule `budget`: every tile gets the level that loses least for the energy it saves, until the
//! energy of all tiles is a given fraction of the dense one. (This rule is new here.)
//!
//! A tile's options are the numbers of active rows at which a conversion gets cheaper, the largest at
//! each energy: in the paper's count `floor(n * 2^-k)`, its levels, and where all sums are told apart
//! `2^b - 1`. Each column keeps that many of its most important weights. An option's *cost* is the
//! importance of what it drops, its *energy* that of converting the tile's densest column. Only the
//! lower convex hull of a tile's cost over energy matters. Taking the steps of all hulls by their slope
//! (importance lost for energy saved) gives the least total cost for every energy reached, since the
//! cost is separable: optimal up to the last tile's step. (The argument is Lagrange's; for rate and
//! distortion see Shoham and Gersho 1988.)
//!
//! One number replaces a hand-made ratio for every layer.

pub use super::importance::{magnitude_importance, weighted_importance};

use super::PruneStats;
use crate::adc::TileEnergy;
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::count_tiles;
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::parallel;

/// What a budget is to reach and how it counts.
pub struct Budget<'a> {
    /// Energy of all tiles dense over their energy pruned, 1 or more.
    pub target: f64,
    /// Energy of a tile's conversion by its active rows.
    pub energy: &'a TileEnergy,
    /// How much a column's conversion counts in each layer, for example its output positions; `None`
    /// if every tile counts once, as in the paper.
    pub weights: Option<&'a [f64]>,
}

/// One option of a tile: what it keeps in each column, and what that costs and saves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tradeoff {
    pub keep: usize,
    pub energy: f64,
    pub cost: f64,
}

impl AsRef<Self> for Tradeoff {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A step along a tile's hull.
struct HullStep {
    slope: f64,
    layer: usize,
    tile: usize,
    to: Tradeoff,
    saved: f64,
}

/// Prunes the layers in place; `importance` has a value per weight of each layer, in its layout.
///
/// # Errors
/// If the target is below 1, or can't be met with something left to convert in every layer.
///
/// ```
/// use crossdub::adc::TileEnergy;
/// use crossdub::config::{AdcModel, HardwareConfig};
/// use crossdub::crossbar::tiling::TileShape;
/// use crossdub::matrix::Matrix;
/// use crossdub::prune::budget::{Budget, magnitude_importance, prune};
///
/// // Two tiles of 4 rows and 1 column, the second with small weights.
/// let mut layers = [Matrix::new("w", 1, 8, vec![0.9, 0.8, 0.7, 0.6, 0.1, 0.2, 0.1, 0.1])?];
/// let hardware = HardwareConfig { tile: 4, adc: AdcModel::Lossless, ..HardwareConfig::default() };
/// let importance = magnitude_importance(&layers);
/// let energy = TileEnergy::new(&hardware)?;
/// let budget = Budget { target: 1.5, energy: &energy, weights: None };
/// prune(&mut layers, TileShape { rows: 4, columns: 1 }, &importance, &budget)?;
/// // 3 + 3 bits become 3 + 1: one row is left in the second tile.
/// assert_eq!(layers[0].data, [0.9, 0.8, 0.7, 0.6, 0.0, 0.2, 0.0, 0.0]);
/// # Ok::<(), crossdub::error::Error>(())
/// ```
pub fn prune(
    layers: &mut [Matrix],
    shape: TileShape,
    importance: &[Vec<f32>],
    budget: &Budget<'_>,
) -> Result<PruneStats> {
    if !(budget.target.is_finite() && budget.target >= 1.0) {
        return Err(Error::field("target", budget.target, "must be an improvement of 1 or more"));
    }
    let levels = Levels::new(shape.rows);
    let hulls: Vec<Vec<Vec<Tradeoff>>> = layers
        .iter()
        .zip(importance)
        .enumerate()
        .map(|(at, (layer, importance))| hulls_of(layer, importance, shape, budget, at))
        .collect();
    let chosen = select_levels(&hulls, dense_energy(layers, shape, budget), budget.target)?;
    let mut stats = PruneStats::default();
    for ((layer, importance), keep) in layers.iter_mut().zip(importance).zip(&chosen) {
        let before = count_tiles(layer, shape, 0.0);
        keep_most_important(layer, importance, shape, keep);
        stats.count(&before, &count_tiles(layer, shape, 0.0), levels);
    }
    Ok(stats)
}

/// How much a tile's conversion counts.
fn weight(budget: &Budget<'_>, layer: usize, tile: &Tile) -> f64 {
    budget.weights.map_or(1.0, |weights| weights[layer] * tile.columns() as f64)
}

/// Energy with all rows active.
fn dense_energy(layers: &[Matrix], shape: TileShape, budget: &Budget<'_>) -> f64 {
    let of_layer = |(at, layer): (usize, &Matrix)| -> f64 {
        let tiles = Tiling::new(layer, shape).tiles();
        tiles.map(|tile| weight(budget, at, &tile) * budget.energy.at(tile.rows(), tile.rows())).sum()
    };
    layers.iter().enumerate().map(of_layer).sum()
}

/// The hull of every tile of a layer, from its current state to an empty tile.
fn hulls_of(
    layer: &Matrix,
    importance: &[f32],
    shape: TileShape,
    budget: &Budget<'_>,
    at: usize,
) -> Vec<Vec<Tradeoff>> {
    let tiling = Tiling::new(layer, shape);
    let mut choices = parallel::map(tiling.len(), |index| {
        let tile = tiling.tile(index);
        tradeoff_points(layer, importance, &tile, weight(budget, at, &tile), budget.energy)
    });
    // No layer may become all zero: its most important tile keeps a row.
    let most = |points: &Vec<Tradeoff>| points.last().map_or(0.0, |least| least.cost);
    if let Some(points) = choices.iter_mut().max_by(|a, b| most(a).total_cmp(&most(b))) {
        points.retain(|point| point.keep > 0);
    }
    choices.into_iter().map(hull).collect()
}

/// A tile's options by falling energy: as it is, then the most active rows at each lower energy.
fn tradeoff_points(
    layer: &Matrix,
    importance: &[f32],
    tile: &Tile,
    weight: f64,
    energy: &TileEnergy,
) -> Vec<Tradeoff> {
    let rows = tile.rows();
    // lost[keep]: importance lost over all columns when each keeps that many.
    let mut lost = vec![0.0_f64; rows + 1];
    let mut active = 0;
    let mut sorted: Vec<u32> = Vec::with_capacity(rows);
    for (output, column) in tile.outputs.clone().zip(tile.columns_of(layer)) {
        active = active.max(column.iter().filter(|w| **w != 0.0).count());
        let start = output * layer.cols;
        let own = &importance[start + tile.inputs.start..start + tile.inputs.end];
        sorted.clear();
        // The bit patterns of non-negative floats sort like the floats, in half the time.
        sorted.extend(own.iter().map(|value| value.to_bits()));
        sorted.sort_unstable();
        let mut sum = 0.0;
        for (dropped, &value) in sorted.iter().enumerate() {
            sum += f64::from(f32::from_bits(value));
            lost[rows - 1 - dropped] += sum;
        }
    }
    let mut points = vec![Tradeoff { keep: rows, energy: weight * energy.at(active, rows), cost: 0.0 }];
    for keep in (0..active).rev() {
        let energy = weight * energy.at(keep, rows);
        if points.last().is_some_and(|last| energy < last.energy) {
            points.push(Tradeoff { keep, energy, cost: lost[keep] });
        }
    }
    points
}

/// The lower convex hull of cost over energy, by falling energy: each further step loses more for
/// what it saves.
pub(super) fn hull<T: AsRef<Tradeoff>>(points: Vec<T>) -> Vec<T> {
    let mut hull: Vec<T> = Vec::with_capacity(points.len());
    for point in points {
        while let [.., before, last] = hull.as_slice() {
            if slope(before.as_ref(), last.as_ref()) < slope(last.as_ref(), point.as_ref()) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// Importance lost for energy saved.
pub(super) fn slope(from: &Tradeoff, to: &Tradeoff) -> f64 {
    (to.cost - from.cost) / (from.energy - to.energy)
}

/// What each tile of each layer keeps in a column, so that the energy is at most `dense / target`.
fn select_levels(hulls: &[Vec<Vec<Tradeoff>>], dense: f64, target: f64) -> Result<Vec<Vec<usize>>> {
    let mut energy: f64 = hulls.iter().flatten().filter_map(|hull| hull.first()).map(|p| p.energy).sum();
    let mut chosen: Vec<Vec<usize>> = hulls
        .iter()
        .map(|layer| layer.iter().map(|hull| hull.first().map_or(0, |point| point.keep)).collect())
        .collect();
    let mut steps = steps(hulls);
    steps.sort_by(|a, b| a.slope.total_cmp(&b.slope).then((a.layer, a.tile).cmp(&(b.layer, b.tile))));
    for step in steps {
        if energy <= dense / target {
            break;
        }
        energy -= step.saved;
        chosen[step.layer][step.tile] = step.to.keep;
    }
    // Sums of many steps have rounding errors.
    if energy <= dense / target * (1.0 + 1e-9) && energy > 1e-9 * dense {
        return Ok(chosen);
    }
    let why = if energy > 1e-9 * dense {
        format!("can't be met: at most {:.2} is possible", dense / energy)
    } else {
        "can't be met: nothing would be left to convert".to_owned()
    };
    Err(Error::field("target", target, why))
}

fn steps(hulls: &[Vec<Vec<Tradeoff>>]) -> Vec<HullStep> {
    let mut steps = Vec::new();
    for (layer, tiles) in hulls.iter().enumerate() {
        for (tile, hull) in tiles.iter().enumerate() {
            steps.extend(hull.windows(2).map(|pair| HullStep {
                slope: slope(&pair[0], &pair[1]),
                layer,
                tile,
                to: pair[1],
                saved: pair[0].energy - pair[1].energy,
            }));
        }
    }
    steps
}

/// Zeroes all but the `keep[tile]` most important weights of every column of a tile; among equal ones
/// those with the lower index stay.
fn keep_most_important(layer: &mut Matrix, importance: &[f32], shape: TileShape, keep: &[usize]) {
    let tiling = Tiling::new(layer, shape);
    let cols = layer.cols;
    let source = &*layer;
    let bands = parallel::map(tiling.output_blocks(), |block| {
        let first = block * tiling.input_blocks();
        let outputs = tiling.tile(first).outputs;
        let start = outputs.start * cols;
        let mut band = source.data[start..outputs.end * cols].to_vec();
        let mut order: Vec<usize> = Vec::new();
        for (index, &keep) in keep.iter().enumerate().skip(first).take(tiling.input_blocks()) {
            let tile = tiling.tile(index);
            for output in tile.outputs.clone().filter(|_| keep < tile.rows()) {
                let cells = output * cols + tile.inputs.start..output * cols + tile.inputs.end;
                let column = &mut band[cells.start - start..cells.end - start];
                keep_top_k(column, &importance[cells], keep, &mut order);
            }
        }
        band
    });
    let mut data = layer.data.as_mut_slice();
    for band in bands {
        let (own, rest) = data.split_at_mut(band.len());
        own.copy_from_slice(&band);
        data = rest;
    }
}

/// Zeroes all but the `keep` most important weights of one column.
fn keep_top_k(column: &mut [f32], importance: &[f32], keep: usize, order: &mut Vec<usize>) {
    if keep == 0 {
        column.fill(0.0);
        return;
    }
    order.clear();
    order.extend(0..column.len());
    let most_important_first =
        |a: &usize, b: &usize| importance[*b].total_cmp(&importance[*a]).then(a.cmp(b));
    order.select_nth_unstable_by(keep, most_important_first);
    for &row in &order[keep..] {
        column[row] = 0.0;
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use crate::config::{AdcModel, HardwareConfig};
    use proptest::prelude::*;

    const SHAPE: TileShape = TileShape { rows: 4, columns: 2 };

    /// The paper's bits, and `ceil(log2(n + 1))`, with which one active row costs a bit.
    fn energies() -> [TileEnergy; 2] {
        let adc = AdcModel::Lossless;
        let lossless = TileEnergy::new(&HardwareConfig { tile: 4, adc, ..HardwareConfig::default() });
        [TileEnergy::paper(4), lossless.expect("counts rows")]
    }

    fn total(layers: &[Matrix], energy: &TileEnergy) -> f64 {
        let counts = layers.iter().flat_map(|layer| count_tiles(layer, SHAPE, 0.0));
        counts.map(|count| energy.at(count.active, count.rows)).sum()
    }

    fn cost(layers: &[Matrix], importance: &[Vec<f32>]) -> f64 {
        let of_layer = |(layer, importance): (&Matrix, &Vec<f32>)| -> f64 {
            layer.data.iter().zip(importance).filter(|(w, _)| **w == 0.0).map(|(_, i)| f64::from(*i)).sum()
        };
        layers.iter().zip(importance).map(of_layer).sum()
    }

    fn prune_to(layers: &mut [Matrix], target: f64, energy: &TileEnergy) -> Result<PruneStats> {
        let importance = magnitude_importance(layers);
        prune(layers, SHAPE, &importance, &Budget { target, energy, weights: None })
    }

    #[test]
    fn the_least_important_tile_is_pruned_first() {
        // Two tiles of 4 rows x 2 columns: the second is tiny.
        let data =
            vec![1.0, 0.9, 0.8, 0.7, 0.01, 0.02, 0.03, 0.04, 0.5, 0.6, 0.7, 0.8, 0.04, 0.03, 0.02, 0.01];
        let mut layers = [Matrix::new("w", 2, 8, data.clone()).expect("fits")];
        let [paper, lossless] = energies();
        prune_to(&mut layers, 4.0 / 3.0, &paper).expect("can be met");
        assert_eq!(layers[0].row(0), [1.0, 0.9, 0.8, 0.7, 0.0, 0.0, 0.03, 0.04], "one level down");
        let mut layers = [Matrix::new("w", 2, 8, data).expect("fits")];
        let stats = prune_to(&mut layers, 2.0, &lossless).expect("can be met");
        assert_eq!(
            (stats.emptied, layers[0].row(1)),
            (1, [0.5, 0.6, 0.7, 0.8, 0.0, 0.0, 0.0, 0.0].as_slice())
        );
    }

    #[test]
    fn an_unreachable_target_names_the_largest_reachable_one() {
        let [_, lossless] = energies();
        let full = || [Matrix::new("w", 2, 8, (1..17).map(|v| v as f32).collect()).expect("fits")];
        // Dense 2 tiles x 3 bits; at most one tile with one row, 1 bit: 6x.
        let error = prune_to(&mut full(), 7.0, &lossless).expect_err("out of reach").to_string();
        assert!(error.contains("at most 6.00"), "{error}");
        for target in [0.5, f64::NAN, f64::INFINITY] {
            assert!(prune_to(&mut full(), target, &lossless).is_err());
        }
        assert!(prune_to(&mut full(), 5.0, &lossless).is_ok());
    }

    proptest! {
        /// Against every combination of levels: no cheaper one reaches the energy that was reached.
        #[test]
        fn no_other_choice_of_levels_loses_less(
            data in prop::collection::vec(0.01_f32..1.0, 2 * 16), target in 1.0_f64..4.0, by_paper in any::<bool>(),
        ) {
            let [paper, lossless] = energies();
            let energy = if by_paper { &paper } else { &lossless };
            let before = [Matrix::new("w", 2, 16, data).expect("fits")];
            let importance = magnitude_importance(&before);
            let dense = total(&before, energy);
            let mut layers = before.clone();
            let met = prune_to(&mut layers, target, energy);
            prop_assume!(met.is_ok());
            let (reached, lost) = (total(&layers, energy), cost(&layers, &importance));
            prop_assert!(reached <= dense / target + 1e-9);
            let tile_importance = |tile: usize| -> f32 {
                (0..2).flat_map(|row| &importance[0][16 * row + 4 * tile..][..4]).sum()
            };
            let most = (0..4).max_by(|&a, &b| tile_importance(a).total_cmp(&tile_importance(b))).expect("four");
            // Four tiles, each keeping 0 to 4 rows.
            for choice in 0..625_usize {
                let keep: Vec<usize> = (0..4).map(|tile| choice / 5_usize.pow(tile) % 5).collect();
                if keep[most] == 0 {
                    continue;
                }
                let mut other = before.clone();
                keep_most_important(&mut other[0], &importance[0], SHAPE, &keep);
                if total(&other, energy) <= reached + 1e-9 {
                    prop_assert!(cost(&other, &importance) >= lost - 1e-6, "{keep:?} is cheaper");
                }
            }
        }
    }
}
