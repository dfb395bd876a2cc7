//! What a tile may hold at one precision: from the nearest integers down to no cell at all.

use crossdub_kernels::column_projection::ColumnProjection;

use super::super::budget::Tradeoff;
use crate::adc::{CellCounts, CellEnergy};
use crate::crossbar::bit_planes::CellShape;
use crate::crossbar::tiling::Tile;
use crate::matrix::{Matrix, step_of};

/// An option of a tile.
#[derive(Debug, Clone)]
pub(super) struct TileOption {
    pub point: Tradeoff,
    /// The caps of each slice: positive and negative.
    pub caps: Vec<u32>,
    /// Whether no cell is set.
    pub is_empty: bool,
}

impl AsRef<Tradeoff> for TileOption {
    fn as_ref(&self) -> &Tradeoff {
        &self.point
    }
}

/// A slice's price is computed anew while it was up to so many times the least one before other slices were lowered.
const UNCERTAINTY: f64 = 4.0;

/// The weights of a tile, at one precision.
pub(super) struct TileWeights<'a> {
    pub layer: &'a Matrix,
    pub tile: &'a Tile,
    /// Of each input.
    pub factors: Option<&'a [f32]>,
    pub steps: &'a [f32],
    pub precision: u32,
    /// What makes costs relative to the layer.
    pub scale: f64,
}

impl TileWeights<'_> {
    /// The tile's options, by falling energy.
    pub fn path(&self, cells: CellShape, weight: f64, energy: &CellEnergy) -> Vec<TileOption> {
        let mut columns = self.columns(cells);
        let slices = (self.precision - 1).div_ceil(cells.cell_bits) as usize;
        let mut state = columns.evaluate(vec![self.tile.rows(); slices], energy, None);
        let rows = self.tile.rows().min(cells.rows_at_once);
        let mut options = Vec::new();
        let mut lowered: Vec<Option<Lowered>> = (0..slices).map(|_| None).collect();
        loop {
            options.push(TileOption {
                point: Tradeoff {
                    keep: options.len(),
                    energy: weight * state.energy,
                    cost: self.scale * state.cost,
                },
                // As many cells as these bits allow, and no more: training may not spend what was saved.
                caps: (0..slices)
                    .flat_map(|slice| energy.caps(&state.counts, slice).map(|cap| cap as u32))
                    .collect(),
                is_empty: state.most.iter().all(|&most| most == 0),
            });
            let best = loop {
                for (slice, own) in lowered.iter_mut().enumerate() {
                    if state.most[slice] == 0 {
                        *own = None;
                    } else if own.is_none() {
                        *own = Some(columns.lower(&state, slice, rows, energy));
                    }
                }
                let least = lowered.iter().flatten().map(|own| own.price).fold(f64::INFINITY, f64::min);
                // Lowering another slice has changed its price, perhaps to the least.
                let uncertain = |own: &&mut Lowered| !own.is_current && own.price <= UNCERTAINTY * least;
                match lowered.iter_mut().flatten().find(uncertain) {
                    Some(own) => *own = columns.lower(&state, own.slice, rows, energy),
                    None => break lowered.iter().flatten().min_by(|a, b| a.price.total_cmp(&b.price)),
                }
            };
            let best = best.map(|best| best.slice);
            match best.and_then(|slice| lowered[slice].take()) {
                Some(best) => state = best.state,
                None => return options,
            }
            lowered.iter_mut().flatten().for_each(|own| own.is_current = false);
        }
    }

    fn columns(&self, cells: CellShape) -> TileColumns<'_> {
        let inputs = self.tile.inputs.clone();
        let mut columns = TileColumns {
            rows: inputs.len(),
            units: Vec::with_capacity(inputs.len() * self.tile.columns()),
            squared_steps: Vec::with_capacity(self.tile.columns()),
            factors: self.factors.map(|factors| &factors[inputs.clone()]),
            projection: cells.projection(self.precision),
        };
        for output in self.tile.outputs.clone() {
            let step = f64::from(step_of(self.steps, output));
            let column = &self.layer.row(output)[inputs.clone()];
            columns.units.extend(column.iter().map(|&weight| f64::from(weight) / step));
            columns.squared_steps.push(step * step);
        }
        columns
    }
}

/// The columns of a tile.
struct TileColumns<'a> {
    rows: usize,
    /// Its weights in units of their steps, column by column.
    units: Vec<f64>,
    /// Of each column.
    squared_steps: Vec<f64>,
    /// Of each input.
    factors: Option<&'a [f32]>,
    projection: ColumnProjection,
}

impl TileColumns<'_> {
    /// The tile with a bit less for a slice.
    fn lower(&mut self, state: &TileState, slice: usize, rows: usize, energy: &CellEnergy) -> Lowered {
        let mut caps = state.caps.clone();
        caps[slice] = energy.most_at_fewer_bits(state.most[slice], rows);
        let next = self.evaluate(caps, energy, Some((state, slice)));
        let saved = state.energy - next.energy;
        let price = if saved > 0.0 { (next.cost - state.cost) / saved } else { f64::INFINITY };
        Lowered { slice, price, state: next, is_current: true }
    }

    /// Loss, and what each slice takes, under these caps. They are those of the state `before`, but for a slice; columns
    /// that keep to its new cap already stay as they are.
    fn evaluate(
        &mut self,
        caps: Vec<usize>,
        energy: &CellEnergy,
        before: Option<(&TileState, usize)>,
    ) -> TileState {
        let mut counts = energy.counts(self.rows, caps.len());
        let of_polarities: Vec<usize> = caps.iter().flat_map(|&cap| [cap; 2]).collect();
        let mut costs = Vec::with_capacity(self.squared_steps.len());
        let columns = self.units.chunks_exact(self.rows.max(1)).zip(&self.squared_steps);
        for (at, (column, squared_step)) in columns.enumerate() {
            if let Some((before, slice)) = before
                && before.counts.most_of_column(at, slice) <= caps[slice]
            {
                counts.copy_column(&before.counts, at);
                costs.push(before.costs[at]);
                continue;
            }
            let integers = self.projection.project(column, &of_polarities);
            let errors =
                column.iter().zip(integers).map(|(unit, &integer)| (unit - f64::from(integer)).powi(2));
            let lost: f64 = match self.factors {
                Some(factors) => errors.zip(factors).map(|(error, &factor)| error * f64::from(factor)).sum(),
                None => errors.sum(),
            };
            costs.push(squared_step * lost);
            counts.add_column(integers);
        }
        let most = (0..caps.len()).map(|slice| counts.most(slice)).collect();
        let energy = (0..caps.len()).map(|slice| energy.of_capped_slice(&counts, slice)).sum();
        TileState { caps, cost: costs.iter().sum(), energy, costs, counts, most }
    }
}

/// A tile with a bit less for one of its slices.
struct Lowered {
    slice: usize,
    /// Loss for the energy that it saves.
    price: f64,
    state: TileState,
    /// Whether it follows from the tile as it is now, not as it was some slices before.
    is_current: bool,
}

/// A tile under some caps.
struct TileState {
    /// Of each slice.
    caps: Vec<usize>,
    /// Not yet relative to the layer.
    cost: f64,
    energy: f64,
    /// Of each column.
    costs: Vec<f64>,
    counts: CellCounts,
    /// The set cells of the fullest column, of each slice.
    most: Vec<usize>,
}
