//! The rule `bit-planes`: every layer gets a precision, and every weight slice of every tile a cap on the set cells of a
//! column, so that the lossless count meets a target and least is lost. (This rule is new here.)
//!
//! A tile's options at one precision are a path: from the nearest integers, always the slice whose cap falls to the next
//! number that needs a bit less (`2^b - 1` on binary cells) with the least loss for the energy it saves, down to an empty tile. An option's *cost* is the sum over its
//! weights of their importance times the squared relative error, its *energy* that of converting each slice and polarity
//! at the bits of its fullest column. Cost and energy are sums over tiles, so Lagrange's argument holds as for the rule
//! [`budget`](super::budget): for a price of energy, each tile takes the option of least cost and price, and each layer the
//! precision of least sum; the price at which the target is met loses least of all choices of as little energy. A large
//! layer's precision is chosen by a sample of its tiles, and precisions are tried upward until a layer does not take the next
//! one. With these precisions, tiles then move down their hulls until the target is met.
//!
//! Caps change which weight steps lose least. So these are fitted at the end: least squares gives the steps for the integers,
//! rounding the integers for the steps, as long as that helps.

mod layer_search;
mod tile_path;

use std::collections::BTreeMap;

use self::layer_search::{LayerOption, LayerSearch};
use super::PruneStats;
use super::budget::slope;
use crate::adc::CellEnergy;
use crate::config::HardwareConfig;
use crate::crossbar::bit_planes::{CellShape, LayerQuantization};
use crate::crossbar::levels::Levels;
use crate::crossbar::sparsity::count_tiles;
use crate::error::{Error, Result};
use crate::matrix::Matrix;

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
    let mut options = BitPlaneOptions::new(layers, importance, budget)?;
    options.choose(layers, importance, budget)
}

/// The options of some layers, as far as targets have asked for them so far.
pub struct BitPlaneOptions {
    /// By precision, upward: the first ones that each layer may have.
    layers: Vec<Vec<LayerOption>>,
    /// With all their tiles, the layers that were sampled: by layer and precision, as targets have asked for them.
    whole: BTreeMap<(usize, u32), LayerOption>,
    /// Energy with all cells set.
    dense: f64,
}

impl BitPlaneOptions {
    /// Options of the lowest precisions; see [`choose`].
    ///
    /// # Errors
    /// If the mapping sets cells for weights of 0.
    pub fn new(
        layers: &[Matrix],
        importance: Option<&[Vec<f32>]>,
        budget: &BitPlaneBudget<'_>,
    ) -> Result<Self> {
        let energy = CellEnergy::new(budget.hardware)?;
        let searches = searches(layers, importance, budget, &energy);
        Ok(Self {
            layers: searches.iter().map(lowest_precisions).collect(),
            whole: BTreeMap::new(),
            dense: searches.iter().map(LayerSearch::dense_energy).sum(),
        })
    }

    /// Chooses for a target, with the same layers, importance and budget but for that. Searches higher precisions, which
    /// takes most of the time, as long as a layer takes the highest one that it has.
    ///
    /// # Errors
    /// If the target is below 1, or can't be met with a cell left in every layer.
    pub fn choose(
        &mut self,
        layers: &[Matrix],
        importance: Option<&[Vec<f32>]>,
        budget: &BitPlaneBudget<'_>,
    ) -> Result<Vec<LayerQuantization>> {
        let BitPlaneBudget { target, hardware, .. } = *budget;
        if !(target.is_finite() && target >= 1.0) {
            return Err(Error::field("target", target, "must be an improvement of 1 or more"));
        }
        let energy = CellEnergy::new(hardware)?;
        let searches = searches(layers, importance, budget, &energy);
        let chosen = loop {
            let chosen = choose_precisions(&self.layers, self.dense / target);
            let mut grown = false;
            for ((search, options), &at) in searches.iter().zip(&mut self.layers).zip(&chosen) {
                let next = search.precisions().get(options.len()).copied();
                if let Some(precision) = next.filter(|_| at + 1 == options.len()) {
                    options.push(search.sampled(precision));
                    grown = true;
                }
            }
            if !grown {
                break chosen;
            }
        };
        let options = self.layers.iter().zip(chosen).filter_map(|(options, at)| options.get(at));
        let options: Vec<&LayerOption> = options.collect();
        for (at, (search, option)) in searches.iter().zip(&options).enumerate() {
            if search.is_sampled(option) {
                let whole = self.whole.entry((at, option.precision));
                whole.or_insert_with(|| search.with_all_tiles(option));
            }
        }
        let chosen = options.into_iter().enumerate();
        let chosen: Vec<&LayerOption> =
            chosen.map(|(at, option)| self.whole.get(&(at, option.precision)).unwrap_or(option)).collect();
        let caps = choose_tiles(&chosen, self.dense, target)?;
        let quantization = |((search, option), caps): ((&LayerSearch<'_>, &&LayerOption), Vec<u32>)| {
            let (steps, cells) = (option.steps.clone(), Some(search.cells()));
            search.fit_steps(LayerQuantization { precision: option.precision, steps, caps, cells })
        };
        Ok(searches.iter().zip(&chosen).zip(caps).map(quantization).collect())
    }
}

/// The options that every target needs.
fn lowest_precisions(search: &LayerSearch<'_>) -> Vec<LayerOption> {
    search.precisions().into_iter().take(2).map(|precision| search.sampled(precision)).collect()
}

/// Each layer's search.
fn searches<'a>(
    layers: &'a [Matrix],
    importance: Option<&'a [Vec<f32>]>,
    budget: &BitPlaneBudget<'a>,
    energy: &'a CellEnergy,
) -> Vec<LayerSearch<'a>> {
    let of_layer = |(at, layer): (usize, &'a Matrix)| LayerSearch {
        layer,
        factors: importance.map(|importance: &'a [Vec<f32>]| &*importance[at]),
        weight: budget.weights.map(|weights| weights[at]),
        hardware: budget.hardware,
        energy,
    };
    layers.iter().enumerate().map(of_layer).collect()
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

/// The options that the price of energy chooses at which all layers take at most `limit`: the place of one for each layer.
fn choose_precisions(options: &[Vec<LayerOption>], limit: f64) -> Vec<usize> {
    let at_price = |price: f64| {
        let best = |layer: &Vec<LayerOption>| {
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
    chosen.into_iter().map(|(at, _)| at).collect()
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
