//! The rule `budget`: every tile gets the level that loses least for the energy it saves, until the
//! energy of all tiles is a given share of the dense one. Ours.
//!
//! A tile's choices are the numbers of active rows at which a conversion gets cheaper, the largest at
//! each energy: by the paper's count `floor(n * 2^-k)`, its levels, and where all sums are told apart
//! `2^b - 1`. Each column keeps that many of its most important weights. A choice's *cost* is the sum
//! of importance of what it drops, its *energy* what the converter says of the tile's densest column.
//! For each tile only the lower convex hull of cost over energy matters; the hulls' steps, taken by
//! their slope (importance lost for energy saved), give for every reached energy the least total
//! cost, which is separable: optimal up to the last tile's step. (The argument is Lagrange's; for rate
//! and distortion Shoham and Gersho 1988.)
//!
//! One number instead of a hand-made ratio for every layer.

use super::PruneStats;
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::count_tiles;
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::parallel;

/// Energy of one conversion, from a tile's active rows and its rows.
pub type ConversionEnergy<'a> = dyn Fn(usize, usize) -> f64 + Sync + 'a;

/// What is to be reached.
pub struct Budget<'a> {
    /// Energy of all tiles dense over their energy pruned.
    pub target: f64,
    /// Energy of a conversion, from a tile's active rows and its rows; rises with the active rows, and
    /// is 0 without one.
    pub energy: &'a ConversionEnergy<'a>,
    /// For each layer how much a column's conversion counts, for example its output positions; none
    /// where every tile counts once, as the paper counts.
    pub weights: Option<&'a [f64]>,
}

/// Squared weights over each layer's sum: the importance when no data is at hand.
pub fn magnitude_importance(layers: &[Matrix]) -> Vec<Vec<f32>> {
    layers.iter().map(|layer| weighted_importance(layer, &vec![1.0; layer.cols])).collect()
}

/// Squared weights times a factor for each input, over the layer's sum.
pub fn weighted_importance(layer: &Matrix, factors: &[f32]) -> Vec<f32> {
    let of_output = |output: usize| {
        let pairs = layer.row(output).iter().zip(factors);
        pairs.map(|(&w, &factor)| w * w * factor).collect::<Vec<f32>>()
    };
    let mut all = parallel::map(layer.rows, of_output).concat();
    // Sum after sum, so that millions of small shares are not lost in one large float32.
    let sum: f64 = all.chunks(4096).map(|part| f64::from(part.iter().sum::<f32>())).sum();
    let scale = if sum > 0.0 { (1.0 / sum) as f32 } else { 0.0 };
    all.iter_mut().for_each(|value| *value *= scale);
    all
}

/// One tile's choice: what it keeps in each column, and what that means.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Tradeoff {
    keep: usize,
    energy: f64,
    cost: f64,
}

/// A step along a tile's hull.
struct Step {
    slope: f64,
    layer: usize,
    tile: usize,
    to: Tradeoff,
    saved: f64,
}

/// Prunes the layers in place; `importance` has a value for each weight of each layer.
///
/// # Errors
/// When the target is below 1 or can't be met with something left to convert in every layer.
pub fn prune(
    layers: &mut [Matrix],
    shape: TileShape,
    importance: &[Vec<f32>],
    budget: &Budget<'_>,
) -> Result<PruneStats> {
    if !(budget.target.is_finite() && budget.target >= 1.0) {
        return Err(Error::field("target", budget.target, "takes an improvement of 1 or more"));
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
        tiles.map(|tile| weight(budget, at, &tile) * (budget.energy)(tile.rows(), tile.rows())).sum()
    };
    layers.iter().enumerate().map(of_layer).sum()
}

/// The hull of every tile of a layer, from its present state to nothing.
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
    // A layer of zeros is no network: its most important tile keeps a row.
    let most = |points: &Vec<Tradeoff>| points.last().map_or(0.0, |least| least.cost);
    if let Some(points) = choices.iter_mut().max_by(|a, b| most(a).total_cmp(&most(b))) {
        points.retain(|point| point.keep > 0);
    }
    choices.into_iter().map(hull).collect()
}

/// A tile's choices by falling energy: as it is, then the most active rows at each lower energy.
fn tradeoff_points(
    layer: &Matrix,
    importance: &[f32],
    tile: &Tile,
    weight: f64,
    energy: &ConversionEnergy<'_>,
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
        // The bits of floats that are not negative sort as they do, in half the time.
        sorted.extend(own.iter().map(|value| value.to_bits()));
        sorted.sort_unstable();
        let mut sum = 0.0;
        for (dropped, &value) in sorted.iter().enumerate() {
            sum += f64::from(f32::from_bits(value));
            lost[rows - 1 - dropped] += sum;
        }
    }
    let mut points = vec![Tradeoff { keep: rows, energy: weight * energy(active, rows), cost: 0.0 }];
    for keep in (0..active).rev() {
        let energy = weight * energy(keep, rows);
        if points.last().is_some_and(|last| energy < last.energy) {
            points.push(Tradeoff { keep, energy, cost: lost[keep] });
        }
    }
    points
}

/// The lower convex hull of cost over energy, by falling energy: each further step loses more for
/// what it saves.
fn hull(points: Vec<Tradeoff>) -> Vec<Tradeoff> {
    let mut hull: Vec<Tradeoff> = Vec::with_capacity(points.len());
    for point in points {
        while let [.., before, last] = hull.as_slice() {
            if slope(before, last) < slope(last, &point) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// Importance lost for energy saved.
fn slope(from: &Tradeoff, to: &Tradeoff) -> f64 {
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
    // Sums of many steps carry a rounding.
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

fn steps(hulls: &[Vec<Vec<Tradeoff>>]) -> Vec<Step> {
    let mut steps = Vec::new();
    for (layer, tiles) in hulls.iter().enumerate() {
        for (tile, hull) in tiles.iter().enumerate() {
            steps.extend(hull.windows(2).map(|pair| Step {
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

/// Zeroes all but the `keep` most important weights of every column; of equal ones those with the
/// lower index stay.
fn keep_most_important(layer: &mut Matrix, importance: &[f32], shape: TileShape, keep: &[usize]) {
    let tiling = Tiling::new(layer, shape);
    let cols = layer.cols;
    let source = &*layer;
    let bands = parallel::map(tiling.output_blocks(), |down| {
        let first = down * tiling.input_blocks();
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
    use proptest::prelude::*;

    const SHAPE: TileShape = TileShape { rows: 4, columns: 2 };

    fn bits(active: usize, rows: usize) -> f64 {
        Levels::new(4).conversion_bits(active, rows)
    }

    /// Bits that lose nothing, ceil(log2(n + 1)): what one active row costs is not nothing.
    fn lossless(active: usize, _: usize) -> f64 {
        f64::from((active + 1).next_power_of_two().trailing_zeros())
    }

    fn total(layers: &[Matrix], energy: &dyn Fn(usize, usize) -> f64) -> f64 {
        let counts = layers.iter().flat_map(|layer| count_tiles(layer, SHAPE, 0.0));
        counts.map(|count| energy(count.active, count.rows)).sum()
    }

    fn cost(layers: &[Matrix], importance: &[Vec<f32>]) -> f64 {
        let of_layer = |(layer, importance): (&Matrix, &Vec<f32>)| -> f64 {
            layer.data.iter().zip(importance).filter(|(w, _)| **w == 0.0).map(|(_, i)| f64::from(*i)).sum()
        };
        layers.iter().zip(importance).map(of_layer).sum()
    }

    fn prune_to(layers: &mut [Matrix], target: f64, energy: &ConversionEnergy<'_>) -> Result<PruneStats> {
        let importance = magnitude_importance(layers);
        prune(layers, SHAPE, &importance, &Budget { target, energy, weights: None })
    }

    #[test]
    fn the_least_important_tile_goes_first() {
        // Two tiles of 4 rows x 2 columns: the second is tiny.
        let data =
            vec![1.0, 0.9, 0.8, 0.7, 0.01, 0.02, 0.03, 0.04, 0.5, 0.6, 0.7, 0.8, 0.04, 0.03, 0.02, 0.01];
        let mut layers = [Matrix::new("w", 2, 8, data.clone()).expect("fits")];
        prune_to(&mut layers, 4.0 / 3.0, &bits).expect("can be met");
        assert_eq!(layers[0].row(0), [1.0, 0.9, 0.8, 0.7, 0.0, 0.0, 0.03, 0.04], "one level down");
        let mut layers = [Matrix::new("w", 2, 8, data).expect("fits")];
        let stats = prune_to(&mut layers, 2.0, &lossless).expect("can be met");
        assert_eq!(
            (stats.emptied, layers[0].row(1)),
            (1, [0.5, 0.6, 0.7, 0.8, 0.0, 0.0, 0.0, 0.0].as_slice())
        );
    }

    #[test]
    fn a_target_out_of_reach_names_the_nearest() {
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
            let energy: &ConversionEnergy<'_> = if by_paper { &bits } else { &lossless };
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
