//! All conversions of a layer, counted by their bits.
//!
//! For one output position and one input slice, every column of every crossbar is converted once,
//! where a crossbar is one tile of one weight slice and polarity; with fewer rows active at once than
//! the tile has, once for each group of rows. Where the cells of a weight lie side by side
//! (`weight_bits`), that many slices are parts of one crossbar, which share its converters; each part still
//! has a resolution of its own. The cost of such a histogram is a sum over bits, so one
//! pass over the weights serves every model.

use crate::adc::resolution::{ColumnOccupancy, Readout, row_groups};
use crate::config::{Granularity, HardwareConfig, Resolution, Subtraction};
use crate::crossbar::bit_slicing::{BitSlicing, CellCount, count_cells};
use crate::crossbar::quantize::QuantizedMatrix;
use crate::crossbar::tiling::{Tile, TileShape, Tiling};
use crate::matrix::Matrix;
use crate::parallel;

/// Conversions have 0 to 64 bits, the most that sums of machine words can need.
pub const BITS: usize = 65;

/// Time of a conversion by its bits, ns; infinite where the model has none.
pub type LatencyTable = [f64; BITS];

/// Conversions by bits. Conversions of 0 bits do not happen.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversionHistogram {
    /// Conversions of one output position and input slice.
    pub conversions: [u64; BITS],
    /// Crossbars by bits, as the paper counts: every crossbar (or part) counts once, divided equally among
    /// its columns.
    pub crossbars: [f64; BITS],
    /// Crossbars by the bits that their converters need; parts of one share its converters.
    pub converters: [u64; BITS],
    /// For each [`LatencyTable`], the time of the slowest crossbar for one output position and input
    /// slice, ns. All crossbars of a layer convert at the same time.
    pub slowest_ns: Vec<f64>,
}

impl ConversionHistogram {
    fn new(tables: usize) -> Self {
        Self {
            conversions: [0; BITS],
            crossbars: [0.0; BITS],
            converters: [0; BITS],
            slowest_ns: vec![0.0; tables],
        }
    }

    /// Number of conversions, without those of 0 bits.
    pub fn total(&self) -> u64 {
        self.conversions[1..].iter().sum()
    }

    /// Adds as many crossbars as `repeats` that convert alike: of each part, for each group of rows, the bits
    /// of each column.
    fn add_crossbars(
        &mut self,
        parts: &[Vec<Vec<u32>>],
        latencies: &[LatencyTable],
        adcs: usize,
        repeats: usize,
    ) {
        let mut most = 0;
        for bits in parts.iter().flatten().flatten().map(|&bits| (bits as usize).min(BITS - 1)) {
            self.conversions[bits] += repeats as u64;
            most = most.max(bits);
        }
        let mut shares = Vec::new();
        for group in parts.iter().flatten() {
            // Counted before dividing, so that a tile with a single resolution counts exactly 1.
            let mut counts = [0_u32; BITS];
            group.iter().for_each(|&bits| counts[(bits as usize).min(BITS - 1)] += 1);
            let used = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            shares.extend(used.map(|(bits, &count)| (bits, f64::from(count) / group.len() as f64)));
        }
        // One crossbar after the other: sums of many are rounded the same way.
        for _ in 0..repeats {
            shares.iter().for_each(|&(bits, share)| self.crossbars[bits] += share);
        }
        self.converters[most] += repeats as u64;
        for (slowest, table) in self.slowest_ns.iter_mut().zip(latencies) {
            *slowest = slowest.max(time_of_crossbar(parts, table, adcs));
        }
    }

    fn merge(&mut self, other: &Self) {
        for at in 0..BITS {
            self.conversions[at] += other.conversions[at];
            self.crossbars[at] += other.crossbars[at];
            self.converters[at] += other.converters[at];
        }
        for (mine, theirs) in self.slowest_ns.iter_mut().zip(&other.slowest_ns) {
            *mine = mine.max(*theirs);
        }
    }
}

/// Columns take turns on the crossbar's converters, one group of rows after another. The slices of a weight
/// lie side by side, then comes the next weight.
fn time_of_crossbar(parts: &[Vec<Vec<u32>>], latencies: &LatencyTable, adcs: usize) -> f64 {
    let mut of_adc = vec![0.0; adcs];
    let mut sum = 0.0;
    let (groups, columns) =
        parts.first().map_or((0, 0), |part| (part.len(), part.first().map_or(0, Vec::len)));
    for group in 0..groups {
        of_adc.fill(0.0);
        let bits = (0..columns).flat_map(|column| parts.iter().map(move |part| part[group][column]));
        for (place, bits) in bits.enumerate().filter(|(_, bits)| *bits > 0) {
            of_adc[place % adcs] += latencies[(bits as usize).min(BITS - 1)];
        }
        sum += of_adc.iter().fold(0.0_f64, |most, &time| most.max(time));
    }
    sum
}

/// A layer's conversions at each resolution.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerConversions {
    /// The converter of a full crossbar at every column.
    pub dense: Vec<ConversionHistogram>,
    /// Before any pruning: a column without a zero weight as it is, any other with all its rows active
    /// and all their cells set. It falls short of `dense` by what the mapping leaves empty.
    pub unpruned: Vec<ConversionHistogram>,
    /// With the weights as they are.
    pub current: Vec<ConversionHistogram>,
    /// Crossbars that the layer takes.
    pub crossbars: u64,
    /// Crossbars of tiles with a non-zero weight.
    pub crossbars_pruned: u64,
    /// Crossbars with a set cell.
    pub crossbars_set: u64,
}

/// What to count.
#[derive(Debug, Clone)]
pub struct TallyConfig<'a> {
    /// The crossbars.
    pub hardware: &'a HardwareConfig,
    /// Resolutions to compare.
    pub resolutions: &'a [(Resolution, Granularity)],
    /// Conversion times to compare.
    pub latencies: &'a [LatencyTable],
    /// Converters per crossbar.
    pub adcs_per_tile: usize,
    /// Whether columns without an active row are skipped even where their tile shares bits.
    pub skip_zero_columns: bool,
}

/// The columns of a tile within one group of rows.
struct RowGroup {
    rows: usize,
    /// Non-zero weights of each column, before and after quantization.
    active: Vec<(usize, usize)>,
    /// Cells, column by column.
    cells: Vec<CellCount>,
}

/// Which state of the weights is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pruning {
    /// As if no weight were zero.
    Before,
    /// As they are.
    After,
}

/// One tile, counted once for all resolutions.
pub(crate) struct TileCells {
    groups: Vec<RowGroup>,
    columns: usize,
    slicing: BitSlicing,
    readout: Readout,
}

impl TileCells {
    /// Counts a tile.
    pub(crate) fn count(
        matrix: &Matrix,
        weights: &QuantizedMatrix,
        tile: &Tile,
        hardware: &HardwareConfig,
    ) -> Self {
        let slicing = BitSlicing::from(hardware);
        let group = |rows: std::ops::Range<usize>| {
            let inputs = tile.inputs.start + rows.start..tile.inputs.start + rows.end;
            let not_zero = |output: usize| {
                let before = matrix.row(output)[inputs.clone()].iter().filter(|w| **w != 0.0).count();
                (before, weights.row(output)[inputs.clone()].iter().filter(|w| **w != 0).count())
            };
            RowGroup {
                rows: rows.len(),
                active: tile.outputs.clone().map(not_zero).collect(),
                cells: count_cells(weights, tile.outputs.clone(), &inputs, slicing),
            }
        };
        Self {
            groups: row_groups(hardware, tile.rows()).map(group).collect(),
            columns: tile.columns(),
            slicing,
            readout: Readout::new(hardware),
        }
    }

    /// Crossbars (or parts of one) with their own resolution; a pair subtracted in analog shares it.
    pub(crate) fn converted(&self) -> usize {
        match self.readout.subtraction {
            Subtraction::Analog => self.slicing.slices(),
            Subtraction::Digital | Subtraction::Offset => self.slicing.crossbars(),
        }
    }

    /// Whether no weight is left before quantization. An offset mapping has no empty cells.
    fn is_empty(&self) -> bool {
        self.readout.subtraction != Subtraction::Offset
            && self.groups.iter().all(|group| group.active.iter().all(|(before, _)| *before == 0))
    }

    /// The slices that lie side by side on a crossbar, crossbar by crossbar.
    fn slices_side_by_side(
        &self,
        weight_bits: usize,
    ) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let slices = self.slicing.slices();
        (0..slices).step_by(weight_bits).map(move |first| first..slices.min(first + weight_bits))
    }

    /// The crossbars with converters of their own: what of a tile, as [`TileCells::bits`] counts it, lies side
    /// by side on each, and how many convert alike. Only where `cells` are looked at do those of a tile differ.
    fn converted_crossbars(&self, weight_bits: usize, cells: bool) -> Vec<(Vec<usize>, usize)> {
        let polarities = self.converted() / self.slicing.slices();
        let side_by_side = self.slices_side_by_side(weight_bits);
        if cells {
            let of_polarity = |slices: &std::ops::Range<usize>, polarity| {
                slices.clone().map(|slice| slice * polarities + polarity).collect()
            };
            side_by_side
                .flat_map(|slices| (0..polarities).map(move |polarity| (of_polarity(&slices, polarity), 1)))
                .collect()
        } else {
            let mut alike: Vec<(Vec<usize>, usize)> = Vec::new();
            for slices in side_by_side {
                match alike.last_mut() {
                    Some((parts, repeats)) if parts.len() == slices.len() => *repeats += polarities,
                    _ => alike.push((vec![0; slices.len()], polarities)),
                }
            }
            alike
        }
    }

    /// Crossbars with a set cell.
    fn set_crossbars(&self, weight_bits: usize) -> usize {
        let polarities = self.slicing.polarities();
        let set = |crossbar: usize| {
            let cells = |group: &RowGroup| {
                group.cells.iter().skip(crossbar).step_by(self.slicing.crossbars()).any(|c| c.set > 0)
            };
            self.groups.iter().any(cells)
        };
        self.slices_side_by_side(weight_bits)
            .map(|slices| {
                let any = |polarity: &usize| slices.clone().any(|slice| set(slice * polarities + polarity));
                (0..polarities).filter(any).count()
            })
            .sum()
    }

    fn occupancy(
        &self,
        group: &RowGroup,
        column: usize,
        converted: usize,
        resolution: Resolution,
        pruning: Pruning,
    ) -> ColumnOccupancy {
        if pruning == Pruning::Before && group.active[column].0 < group.rows {
            return ColumnOccupancy::dense(group.rows);
        }
        let cells = &group.cells[column * self.slicing.crossbars()..];
        let set = match self.readout.subtraction {
            Subtraction::Analog => cells[2 * converted].set.max(cells[2 * converted + 1].set),
            Subtraction::Digital | Subtraction::Offset => cells[converted].set,
        };
        let (before, after) = group.active[column];
        // The paper counts weights as they are; what a cell holds is what quantization left.
        let active = if resolution == Resolution::Paper { before } else { after };
        ColumnOccupancy { rows: group.rows, active, set }
    }

    /// Bits of one crossbar's conversions: for each group of rows, of each column.
    pub(crate) fn bits(
        &self,
        rule: (Resolution, Granularity),
        converted: usize,
        skip_zero_columns: bool,
    ) -> Vec<Vec<u32>> {
        self.bits_at(Pruning::After, rule, converted, skip_zero_columns)
    }

    /// The same before or after pruning.
    fn bits_at(
        &self,
        pruning: Pruning,
        (resolution, granularity): (Resolution, Granularity),
        converted: usize,
        skip_zero_columns: bool,
    ) -> Vec<Vec<u32>> {
        if pruning == Pruning::After && self.is_empty() {
            return self.groups.iter().map(|_| vec![0; self.columns]).collect();
        }
        let of_group = |group: &RowGroup| {
            let occupancy = |column| self.occupancy(group, column, converted, resolution, pruning);
            let mut bits: Vec<u32> =
                (0..self.columns).map(|column| resolution.bits(&self.readout, occupancy(column))).collect();
            granularity.share_across_tile(&mut bits);
            if skip_zero_columns && self.readout.subtraction != Subtraction::Offset {
                for (column, bits) in bits.iter_mut().enumerate() {
                    let occupancy = occupancy(column);
                    let sliced = resolution == Resolution::LosslessSliced;
                    if if sliced { occupancy.set } else { occupancy.active } == 0 {
                        *bits = 0;
                    }
                }
            }
            bits
        };
        self.groups.iter().map(of_group).collect()
    }
}

/// Counts a layer's conversions, on all cores.
pub fn tally(matrix: &Matrix, config: &TallyConfig<'_>) -> LayerConversions {
    let weights = QuantizedMatrix::new(matrix, config.hardware);
    let tiling = Tiling::new(matrix, TileShape::from(config.hardware));
    let bands = parallel::map(tiling.output_blocks(), |block| {
        let first = block * tiling.input_blocks();
        let tiles = (first..first + tiling.input_blocks()).map(|index| tiling.tile(index));
        let mut band = LayerConversions::new(config);
        for tile in tiles {
            band.add_tile(&TileCells::count(matrix, &weights, &tile, config.hardware), config);
        }
        band
    });
    let mut whole = LayerConversions::new(config);
    bands.iter().for_each(|band| whole.merge(band));
    whole
}

impl LayerConversions {
    fn new(config: &TallyConfig<'_>) -> Self {
        let empty = vec![ConversionHistogram::new(config.latencies.len()); config.resolutions.len()];
        Self {
            dense: empty.clone(),
            unpruned: empty.clone(),
            current: empty,
            crossbars: 0,
            crossbars_pruned: 0,
            crossbars_set: 0,
        }
    }

    fn add_tile(&mut self, tile: &TileCells, config: &TallyConfig<'_>) {
        let weight_bits = config.hardware.weight_bits;
        let of_polarity = tile.slicing.slices().div_ceil(weight_bits) as u64;
        let crossbars = of_polarity * tile.slicing.polarities() as u64;
        self.crossbars += crossbars;
        self.crossbars_pruned += if tile.is_empty() { 0 } else { crossbars };
        self.crossbars_set += tile.set_crossbars(weight_bits) as u64;
        for (at, &rule) in config.resolutions.iter().enumerate() {
            let full = vec![vec![rule.0.dense_bits(&tile.readout); tile.columns]; tile.groups.len()];
            let (latencies, adcs) = (config.latencies, config.adcs_per_tile);
            for (parts, repeats) in tile.converted_crossbars(weight_bits, false) {
                self.dense[at].add_crossbars(&vec![full.clone(); parts.len()], latencies, adcs, repeats);
            }
            // Only this rule looks into the cells.
            for (parts, repeats) in
                tile.converted_crossbars(weight_bits, rule.0 == Resolution::LosslessSliced)
            {
                for (pruning, histogram) in
                    [(Pruning::Before, &mut self.unpruned[at]), (Pruning::After, &mut self.current[at])]
                {
                    let bits: Vec<_> = parts
                        .iter()
                        .map(|&part| tile.bits_at(pruning, rule, part, config.skip_zero_columns))
                        .collect();
                    histogram.add_crossbars(&bits, latencies, adcs, repeats);
                }
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.dense.iter_mut().zip(&other.dense).for_each(|(mine, theirs)| mine.merge(theirs));
        self.unpruned.iter_mut().zip(&other.unpruned).for_each(|(mine, theirs)| mine.merge(theirs));
        self.current.iter_mut().zip(&other.current).for_each(|(mine, theirs)| mine.merge(theirs));
        self.crossbars += other.crossbars;
        self.crossbars_pruned += other.crossbars_pruned;
        self.crossbars_set += other.crossbars_set;
    }
}

#[cfg(test)]
mod tests;
