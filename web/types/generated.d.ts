// Generated from the Rust types by `UPDATE_TYPES=1 cargo test types`: do not edit.

/**
 * Energies of all models over bits, for a chart.
 */
export type AdcComparison = { 
/**
 * Version of this object's fields.
 */
schema_version: number, 
/**
 * Bits of each value in the curves.
 */
bits: Array<number>, 
/**
 * One curve per model.
 */
models: Array<AdcCurve>, };

/**
 * One model over bits.
 */
export type AdcCurve = { 
/**
 * The model's name.
 */
model: string, 
/**
 * `bits` or `pJ`.
 */
unit: EnergyUnit, 
/**
 * Energy of a conversion.
 */
energy: Array<number>, 
/**
 * Area of all converters, um2, if the source has it.
 */
area_um2: Array<number> | null, 
/**
 * Time of a conversion, ns, if the source has it.
 */
time_ns: Array<number> | null, 
/**
 * Whether each value is beyond the model's range.
 */
extrapolated: Array<boolean>, };

/**
 * ADC energy in bits, every tile counted once.
 */
export type AdcEnergies = { 
/**
 * The paper's count.
 */
paper: AdcEnergy, 
/**
 * The lossless count.
 */
lossless: AdcEnergy, };

/**
 * ADC energy before and after pruning, in one unit.
 */
export type AdcEnergy = { 
/**
 * With all rows active.
 */
dense: number, 
/**
 * With each tile at its own level.
 */
actual: number, 
/**
 * `dense / actual`; `None` if nothing is left to convert.
 */
improvement: number | null, };

/**
 * A published energy model, by name. Their equations are in `adc::models`.
 *
 * ```
 * use crossdub::config::AdcModel;
 *
 * let model: AdcModel = "neurosim-sar".parse()?;
 * assert_eq!((model, model.id()), (AdcModel::NeurosimSar, "neurosim-sar"));
 * let error = "magic".parse::<AdcModel>().unwrap_err();
 * assert!(error.to_string().starts_with("invalid adc (magic): known are paper, lossless"));
 * # Ok::<(), crossdub::error::Error>(())
 * ```
 */
export type AdcModel = string;

/**
 * What a converter's codes span.
 */
export type AdcRange = "granular" | "max" | "calibrated";

/**
 * What `crossdub analyze --json` prints.
 */
export type Analysis = { 
/**
 * Version of this object's fields.
 */
schema_version: number, 
/**
 * Rows of a crossbar.
 */
tile: number, 
/**
 * Cells per weight.
 */
weight_bits: number, 
/**
 * Magnitude up to which a weight is a near zero.
 */
tol: number, 
/**
 * Weights of all crossbar layers.
 */
weights: number, 
/**
 * Exact zeros.
 */
zeros: number, 
/**
 * Near zeros: weights of a magnitude up to `tol`.
 */
almost_zeros: number, 
/**
 * Tiles of all layers.
 */
tiles: number, 
/**
 * Tiles by level, by exact zeros.
 */
histogram: Array<number>, 
/**
 * Tiles by level, near zeros counted as zeros.
 */
almost_zero_histogram: Array<number>, 
/**
 * Each layer.
 */
layers: Array<LayerAnalysis>, 
/**
 * ADC energy at the levels by exact zeros.
 */
energy: AdcEnergies, 
/**
 * Energy of an inference by every model and resolution asked for.
 */
inference: Inference | null, };

/**
 * One column of one tile under one window of one image.
 */
export type ColumnTrace = { 
/**
 * The weight's name.
 */
layer: string, 
/**
 * The tile, in tile order.
 */
tile: number, 
/**
 * The column within the tile.
 */
column: number, 
/**
 * The output channel it belongs to.
 */
output: number, 
/**
 * The layer's inputs on the tile's rows, first and last but one.
 */
inputs: [number, number], 
/**
 * The quantized weights on the rows.
 */
weights: Array<number>, 
/**
 * The integers applied to the rows.
 */
applied: Array<number>, 
/**
 * What each chunk of input bits applies: a list over the rows for each chunk, the lowest first.
 */
chunks: Array<Array<number>>, 
/**
 * The levels of the cells: a list over the rows for each crossbar, by slice, the positive one first.
 */
cells: Array<Array<number>>, 
/**
 * Every conversion.
 */
conversions: Array<Conversion>, 
/**
 * What the codes add up to.
 */
result: number, 
/**
 * The digital product that they should add up to.
 */
expected: number, };

/**
 * One conversion of a column.
 */
export type Conversion = { 
/**
 * Which rows of the tile were active, first and last but one.
 */
rows: [number, number], 
/**
 * The weight slice, the lowest bits first.
 */
slice: number, 
/**
 * `positive`, `negative`, `difference` (a pair subtracted in analog) or `offset`.
 */
polarity: string, 
/**
 * The chunk of input bits, the lowest first.
 */
chunk: number, 
/**
 * What the column's current stands for.
 */
sum: number, 
/**
 * Bits of the conversion, its sign among them; none where nothing is converted.
 */
bits: number | null, 
/**
 * What the converter gives.
 */
code: number, 
/**
 * Whether the sum had no code of its own.
 */
saturated: boolean, 
/**
 * What the code counts in the output: a power of two, or its negative.
 */
weight: number, };

/**
 * Crossbars that the network takes: one per tile, weight slice and polarity.
 */
export type CrossbarCount = { 
/**
 * With crossbars for every tile.
 */
dense: number, 
/**
 * Without the tiles whose weights are all zero.
 */
pruned: number, 
/**
 * Without the crossbars whose cells are all empty.
 */
with_set_cells: number, };

/**
 * The data a recipe ran on.
 */
export type DataDescription = { 
/**
 * `builtin` or `cifar10`.
 */
name: string, 
/**
 * Number of training images.
 */
train_images: number, 
/**
 * Number of held-out images.
 */
test_images: number, 
/**
 * Number of classes.
 */
classes: number, 
/**
 * SHA-256 of images, labels and class names; for image files, of their names and sizes.
 */
sha256: string, };

/**
 * Where images come from.
 */
export type DataSource = "builtin" | "cifar10" | "cifar100" | "folder" | "imagenet";

/**
 * Before and after pruning.
 */
export type DenseAndActual<T> = { 
/**
 * Before.
 */
dense: T, 
/**
 * After.
 */
actual: T, };

/**
 * The device to compute on.
 *
 * ```
 * use crossdub::config::DeviceChoice;
 *
 * assert_eq!("webgpu:1".parse(), Ok(DeviceChoice::Webgpu(Some(1))));
 * assert_eq!(DeviceChoice::Cuda(0).to_string(), "cuda");
 * assert!("gpu".parse::<DeviceChoice>().is_err());
 * ```
 */
export type DeviceChoice = string;

/**
 * The unit of an energy.
 */
export type EnergyUnit = "bits" | "pJ";

/**
 * An epoch of a training stage.
 */
export type Epoch = { 
/**
 * The epoch in its stage, from 1.
 */
epoch: number, 
/**
 * Steps of the stage up to its end.
 */
step: number, 
/**
 * Mean cross-entropy of its batches.
 */
training_loss: number, 
/**
 * Mean value of the regularizer.
 */
regularizer: number, 
/**
 * Accuracy on held-out images after it, in percent.
 */
accuracy: number, 
/**
 * Mean cross-entropy on held-out images after it.
 */
loss: number, };

/**
 * Accuracy and loss of a network.
 */
export type Evaluation = { 
/**
 * Images with the highest score at their label, in percent.
 */
accuracy: number, 
/**
 * Images with their label among the five highest scores, in percent.
 */
top5: number, 
/**
 * Mean cross-entropy.
 */
loss: number, 
/**
 * Number of images.
 */
images: number, };

/**
 * What shares one resolution.
 */
export type Granularity = "tile" | "column";

/**
 * The hardware a network is mapped to: fixed in a fair comparison.
 *
 * ```
 * use crossdub::config::HardwareConfig;
 *
 * let hardware = HardwareConfig { tile: 128, columns: 64, weight_bits: 2, ..HardwareConfig::default() };
 * hardware.validate()?;
 * assert_eq!((hardware.cells_across(), hardware.weight_columns()), (64, 32));
 * # Ok::<(), crossdub::error::Error>(())
 * ```
 */
export type HardwareConfig = { 
/**
 * Rows (word lines) of one crossbar.
 */
tile: number, 
/**
 * Columns of cells of one crossbar; 0 for as many as rows.
 */
columns: number, 
/**
 * Cells a weight takes, side by side; a tile then holds `columns / weight_bits` weight columns.
 */
weight_bits: number, 
/**
 * Weights of at most this magnitude count as "almost zero".
 */
tol: number, 
/**
 * Energy model of the converter.
 */
adc: AdcModel, 
/**
 * How many bits a conversion has.
 */
resolution: Resolution, 
/**
 * What shares one resolution.
 */
per: Granularity, 
/**
 * Bits of a quantized weight, its sign among them.
 */
weight_precision: number, 
/**
 * What shares one scale of the quantized weights.
 */
weight_scale: WeightScale, 
/**
 * Bits a cell holds.
 */
cell_bits: number, 
/**
 * Bits of a quantized input.
 */
input_bits: number, 
/**
 * Input bits that are applied at a time.
 */
dac_bits: number, 
/**
 * How negative weights lie on crossbars.
 */
subtraction: Subtraction, 
/**
 * Rows that are active at once; 0 for all of a crossbar.
 */
active_rows: number, };

/**
 * One step of a run's history.
 */
export type HistoryEntry = { 
/**
 * The step, from 1.
 */
step: number, 
/**
 * Cross-entropy of the batch.
 */
loss: number, 
/**
 * The regularizer's value.
 */
regularizer: number, 
/**
 * Accuracy on held-out images, in percent, if it was measured after this step.
 */
accuracy: number | null, 
/**
 * Previewed improvement of ADC energy by the paper's bit rule, if it was computed.
 */
improvement_paper: number | null, 
/**
 * The same by the lossless bit rule.
 */
improvement_lossless: number | null, };

/**
 * How much it matters that a weight stays; what a budget spares. Each layer's sums to 1.
 */
export type Importance = "auto" | "magnitude" | "input";

/**
 * Energy of an inference by every model and resolution.
 */
export type Inference = { 
/**
 * Output positions of each layer; `None` if the network is unknown.
 */
positions: Array<number> | null, 
/**
 * Input slices: input bits over DAC bits.
 */
input_slices: number, 
/**
 * Weight slices: magnitude bits over cell bits.
 */
weight_slices: number, 
/**
 * Crossbars per weight slice: 2 if positive and negative weights have their own.
 */
polarities: number, 
/**
 * Whether pruning a weight empties its cells. False in an offset mapping, where pruning saves no
 * bits by active rows.
 */
zero_weight_is_zero_cell: boolean, 
/**
 * Converters per crossbar.
 */
adcs_per_tile: number, 
/**
 * The converters' fraction of the whole dense accelerator's energy, if given.
 */
adc_share: number | null, 
/**
 * Where that fraction was published; `None` for a number of the user's.
 */
adc_share_source: string | null, 
/**
 * Whether columns without an active row are skipped.
 */
skip_zero_columns: boolean, 
/**
 * Crossbars that the network takes.
 */
crossbars: CrossbarCount, 
/**
 * One row per model, resolution and granularity.
 */
table: Array<InferenceRow>, };

/**
 * One model at one resolution and granularity.
 */
export type InferenceRow = { 
/**
 * The model's name.
 */
model: string, 
/**
 * How many bits a conversion has.
 */
resolution: Resolution, 
/**
 * What shares them.
 */
per: Granularity, 
/**
 * The unit of energies.
 */
unit: EnergyUnit, 
/**
 * Whether a value is beyond the model's range.
 */
extrapolated: boolean, 
/**
 * Every crossbar counted once, as the paper counts; `None` if no converter has so many bits.
 */
per_tile: AdcEnergy | null, 
/**
 * All conversions of an inference; `None` without positions.
 */
per_inference: AdcEnergy | null, 
/**
 * Improvement of the whole accelerator (Amdahl's law), if the converters' fraction is known.
 */
whole_improvement: number | null, 
/**
 * Conversions of an inference.
 */
conversions: DenseAndActual<number> | null, 
/**
 * Area of all converters, um2, if the model has it.
 */
area_um2: DenseAndActual<number> | null, 
/**
 * Time of an inference, ns, layer after layer, if the model has it.
 */
latency_ns: DenseAndActual<number> | null, 
/**
 * Each layer.
 */
layers: Array<LayerInference>, };

/**
 * A step's progress, and the steps of the stages before.
 */
export type InteractiveProgress = { 
/**
 * Steps of the stages before.
 */
before: number, 
/**
 * Number of steps taken.
 */
step: number, 
/**
 * Epoch of that step, from 0.
 */
epoch: number, 
/**
 * Number of steps per epoch.
 */
steps_per_epoch: number, 
/**
 * Number of steps of the run.
 */
total_steps: number, 
/**
 * Cross-entropy of the batch.
 */
loss: number, 
/**
 * The regularizer's value.
 */
regularizer: number, 
/**
 * Accuracy on the batch, in percent.
 */
batch_accuracy: number, 
/**
 * Learning rate of the step.
 */
learning_rate: number, 
/**
 * Images per second over the last steps.
 */
images_per_second: number | null, 
/**
 * Share of the time spent waiting for images, in percent.
 */
data_wait_percent: number | null, 
/**
 * Seconds until the end of the run at that speed.
 */
seconds_left: number | null, 
/**
 * Whether the run is finished.
 */
finished: boolean, };

/**
 * One layer of an [`Analysis`].
 */
export type LayerAnalysis = { 
/**
 * The parameter's name.
 */
name: string, 
/**
 * Output channels (crossbar columns over all tiles).
 */
outputs: number, 
/**
 * Inputs of each output (crossbar rows over all tiles).
 */
inputs: number, 
/**
 * Groups of outputs with their own inputs; no tile spans two groups.
 */
groups: number, 
/**
 * Number of tiles.
 */
tiles: number, 
/**
 * Number of weights.
 */
weights: number, 
/**
 * Exact zeros.
 */
zeros: number, 
/**
 * Tiles by level, by exact zeros.
 */
histogram: Array<number>, 
/**
 * Tiles by level, near zeros counted as zeros.
 */
almost_zero_histogram: Array<number>, 
/**
 * Sparsity of each tile's least sparse column.
 */
tile_sparsity: Array<number>, 
/**
 * The same, near zeros counted as zeros.
 */
tile_almost_zero_sparsity: Array<number>, };

/**
 * One layer of a row.
 */
export type LayerInference = { 
/**
 * The parameter's name.
 */
name: string, 
/**
 * Every crossbar counted once.
 */
per_tile: AdcEnergy | null, 
/**
 * All conversions of an inference.
 */
per_inference: AdcEnergy | null, 
/**
 * Share of the network's energy after pruning, of an inference or else per tile.
 */
share: number | null, 
/**
 * Conversions of an inference.
 */
conversions: DenseAndActual<number> | null, 
/**
 * Area of its converters, um2.
 */
area_um2: DenseAndActual<number> | null, 
/**
 * Time, ns.
 */
latency_ns: DenseAndActual<number> | null, };

/**
 * The tiles of one layer as a map. Tile `t` is in map row `t / across`, map column `t % across`.
 */
export type LayerMap = { 
/**
 * The parameter's name.
 */
name: string, 
/**
 * Blocks of tiles along the inputs.
 */
across: number, 
/**
 * Blocks of tiles along the outputs.
 */
down: number, 
/**
 * Mean Hoyer density of each tile's columns over its rows, before pruning.
 */
density: Array<number>, 
/**
 * Standard deviation of each tile's Hoyer densities, in effective rows, before pruning.
 */
imbalance: Array<number>, 
/**
 * Level of each tile after pruning.
 */
level: Array<number>, 
/**
 * ADC bits after pruning, by the paper's count.
 */
bits_paper: Array<number>, 
/**
 * ADC bits after pruning, by the lossless count.
 */
bits_lossless: Array<number>, 
/**
 * ADC bits after pruning of each tile's crossbar that needs most, by the lossless count of set
 * cells; empty unless this is the hardware's resolution.
 */
bits_lossless_sliced: Array<number>, };

/**
 * What one layer's crossbars did, over all images.
 */
export type LayerReport = { 
/**
 * The weight's name.
 */
name: string, 
/**
 * Output channels.
 */
outputs: number, 
/**
 * Inputs of one output.
 */
inputs: number, 
/**
 * Tiles along the inputs and along the outputs.
 */
across: number, 
/**
 * Tiles along the outputs.
 */
down: number, 
/**
 * Columns of all its crossbars by the bits of their conversions, from 0 bits on; those that
 * are never converted are left out.
 */
columns_by_bits: Array<number>, 
/**
 * Conversions.
 */
conversions: number, 
/**
 * Conversions whose sum had no code of its own.
 */
saturated_conversions: number, 
/**
 * Output integers that differ from the quantized network's.
 */
mismatched_outputs: number, 
/**
 * Inputs out of the calibrated range, clipped to it.
 */
clipped_activations: number, 
/**
 * Saturated conversions of each tile, in tile order: output block, then input block.
 */
saturated_by_tile: Array<number>, };

/**
 * The numbers that activations and products of a training pass are computed in. Weights, momentum, the regularizer and
 * evaluation are in f32 whatever it is.
 */
export type Precision = "f32" | "bf16";

/**
 * What pruning leaves.
 */
export type Preview = { 
/**
 * Weights of all crossbar layers.
 */
weights: number, 
/**
 * Zeros after pruning.
 */
zeros: number, 
/**
 * Tiles by level after pruning.
 */
histogram: Array<number>, 
/**
 * ADC energy after pruning.
 */
energy: AdcEnergies, };

/**
 * The name of a pruning method in options, recipes and JSON.
 */
export type PruneRule = "exact" | "paper" | "budget" | "magnitude" | "tiles";

/**
 * How the whole network is pruned.
 */
export type PruneSettings = { 
/**
 * The rule.
 */
rule: PruneRule, 
/**
 * Share of each layer's weights that counts as almost zero, in percent.
 */
strength: number, 
/**
 * The improvement of ADC energy that a budget goes for.
 */
target: number, };

/**
 * Fields of a pruning. Those that its rule does not use are accepted and ignored.
 */
export type PruneSpec = { 
/**
 * How tiles are brought to their levels.
 */
rule: PruneRule, 
/**
 * One prune ratio a layer, in percent; empty to count by the hardware's `tol`.
 */
ratios: Array<number>, 
/**
 * The improvement of ADC energy that a budget reaches, by the hardware's `adc`.
 */
target: number | null, 
/**
 * What a budget counts.
 */
weighting: Weighting, 
/**
 * What a budget spares.
 */
importance: Importance, 
/**
 * Whether the weights that are left are changed to make up for those that went.
 */
compensate: boolean, 
/**
 * Training images on which inputs are measured, where they are needed.
 */
images: number, };

/**
 * What pruning did to the tiles. The wire names are `forced`, `loosened` and `zeroed_tiles`.
 */
export type PruneStats = { 
/**
 * Tiles pruned to a higher level than they had.
 */
forced: number, 
/**
 * Tiles that keep their level.
 */
loosened: number, 
/**
 * Tiles without a weight left.
 */
zeroed_tiles: number, };

/**
 * All runs, by every model.
 */
export type Published = { 
/**
 * Version of this object's fields.
 */
schema_version: number, 
/**
 * Where the histograms come from.
 */
source: string, 
/**
 * Models, in the order of each run's improvements.
 */
models: Array<PublishedModel>, 
/**
 * The runs: by data set and tile, the largest lossless improvement first.
 */
runs: Array<PublishedRun>, 
/**
 * The ranking of methods by each model.
 */
rankings: Array<Ranking>, };

/**
 * A model and the resolution that it is evaluated at.
 */
export type PublishedModel = { 
/**
 * Its name.
 */
model: string, 
/**
 * How many bits a conversion has.
 */
resolution: Resolution, 
/**
 * The unit of energies.
 */
unit: EnergyUnit, };

/**
 * One run.
 */
export type PublishedRun = { 
/**
 * `CIFAR-10` (VGG11) or `ImageNet` (ResNet18).
 */
dataset: string, 
/**
 * Rows of a crossbar.
 */
tile: number, 
/**
 * How it was sparsified.
 */
method: string, 
/**
 * How it ended.
 */
kind: RunKind, 
/**
 * Top-1 accuracy after fine-tuning, percent.
 */
accuracy: number, 
/**
 * Top-1 accuracy of the clean network, percent.
 */
clean_accuracy: number, 
/**
 * Weights that are zero.
 */
zeros: number, 
/**
 * Weights of all crossbar layers.
 */
weights: number, 
/**
 * Weight decay.
 */
lambda_l2: number, 
/**
 * Weight of the variance or of the groups.
 */
lambda: number, 
/**
 * The authors' log.
 */
log: string, 
/**
 * Tiles by level.
 */
histogram: Array<number>, 
/**
 * Improvement by each model of [`Published::models`]; `None` if nothing is left to convert.
 */
improvement: Array<number | null>, };

/**
 * A method's best run among those that are ranked (see [`PublishedRun::is_ranked`]).
 */
export type RankedMethod = { 
/**
 * How it was sparsified.
 */
method: string, 
/**
 * Improvement by the ranking's model.
 */
improvement: number, 
/**
 * Accuracy that this run kept, percent.
 */
accuracy: number, };

/**
 * Methods in the order of their best run, by one model, at one data set and tile.
 */
export type Ranking = { 
/**
 * The data set.
 */
dataset: string, 
/**
 * Rows of a crossbar.
 */
tile: number, 
/**
 * The model's name.
 */
model: string, 
/**
 * The best first.
 */
methods: Array<RankedMethod>, };

/**
 * A term added to the loss that drives weights toward sparsity.
 */
export type RegularizerKind = "none" | "gated" | "ungated" | "mean-and-variance" | "mean-and-gated-variance" | "group-lasso-tile" | "group-lasso-row" | "group-lasso-column";

/**
 * How many bits a conversion has.
 */
export type Resolution = string;

/**
 * How a run ended.
 */
export type RunKind = "full" | "structured" | "diverged";

/**
 * A run's report: what was asked for, how it went, and what it saves.
 *
 * `training` covers all stages; `analysis` and `maps` are of the final weights.
 */
export type RunReport = { 
/**
 * The recipe's name.
 */
name?: string | null, 
/**
 * What the recipe is for.
 */
description?: string | null, 
/**
 * A recipe's seed of everything random.
 */
seed?: number | null, 
/**
 * A recipe's data.
 */
data?: DataDescription | null, 
/**
 * `cpu` or `webgpu`; of a recipe's last stage.
 */
device?: string | null, 
/**
 * The stages in order; empty for a single training.
 */
stages?: Array<StageReport>, 
/**
 * Seconds of work of a recipe's stages.
 */
seconds?: number | null, 
/**
 * Each layer's tiles: density, balance, level, bits.
 */
maps?: Array<LayerMap>, 
/**
 * Version of this object's fields.
 */
schema_version: number, 
/**
 * Version of Crossdub.
 */
version: string, 
/**
 * The run's configuration.
 */
spec: TrainConfig, 
/**
 * The hardware it is mapped to.
 */
hardware: HardwareConfig, 
/**
 * How training went.
 */
training: TrainingSummary, 
/**
 * The crossbars and their ADC energy.
 */
analysis: Analysis, };

/**
 * Accuracy over several seeds of the non-idealities.
 */
export type SeedReport = { 
/**
 * Accuracy with each seed, in percent.
 */
accuracies: Array<number>, 
/**
 * Their mean.
 */
mean: number, 
/**
 * Their standard deviation, unbiased; none of a single seed.
 */
deviation: number | null, };

/**
 * What a simulation does, beside the hardware it simulates.
 */
export type SimulationConfig = { 
/**
 * Training images that the ranges of the activations are taken from.
 */
calibration: number, 
/**
 * Whether fully connected layers lie on crossbars too.
 */
linear: boolean, 
/**
 * What a converter's codes span.
 */
adc_range: AdcRange, 
/**
 * With a calibrated range: the percentile of the sums that it reaches.
 */
percentile: number, 
/**
 * Current of a cell at its highest level over that at level 0; 0 for no current at level 0.
 */
on_off_ratio: number, 
/**
 * Standard deviation of a cell's programmed conductance, as a share of that conductance.
 */
proportional_error: number, 
/**
 * The same as a share of the highest level, on every cell, empty ones too.
 */
independent_error: number, 
/**
 * Standard deviation of a cell's current from one reading to the next, as a share of the highest level.
 */
read_noise: number, 
/**
 * Share of cells that are stuck at the highest level.
 */
stuck_on: number, 
/**
 * Share of cells that are stuck at level 0.
 */
stuck_off: number, 
/**
 * Seed of all of these.
 */
noise_seed: number, };

/**
 * What a simulation found.
 */
export type SimulationReport = { 
/**
 * Version of this object.
 */
schema_version: number, 
/**
 * Images simulated.
 */
images: number, 
/**
 * Accuracy through crossbars and converters, in percent; none before the first image.
 */
accuracy: number | null, 
/**
 * Accuracy of the float network on the same images, where it was evaluated.
 */
digital_accuracy: number | null, 
/**
 * Accuracy of the quantized network without crossbars.
 */
quantized_accuracy: number | null, 
/**
 * Conversions.
 */
conversions: number, 
/**
 * Conversions whose sum had no code of its own.
 */
saturated_conversions: number, 
/**
 * Output integers that differ from the quantized network's.
 */
mismatched_outputs: number, 
/**
 * Activations out of the calibrated range, clipped to it.
 */
clipped_activations: number, 
/**
 * Whether every output integer of every layer is the quantized network's.
 */
exact: boolean, 
/**
 * Accuracy over several seeds, where more than one was asked for.
 */
seeds: SeedReport | null, 
/**
 * What a reader must know about this mapping.
 */
note: string | null, 
/**
 * The hardware simulated.
 */
hardware: HardwareConfig, 
/**
 * The simulation's own options.
 */
simulation: SimulationConfig, 
/**
 * The layers on crossbars.
 */
layers: Array<LayerReport>, };

/**
 * The three kinds of stages.
 */
export type StageKind = "train" | "prune" | "finetune";

/**
 * How far the current stage is, known before its first step.
 */
export type StageProgress = { 
/**
 * Steps of the stages before.
 */
before: number, 
/**
 * Steps done of the current stage.
 */
step: number, 
/**
 * Steps of an epoch.
 */
steps_per_epoch: number, 
/**
 * Steps of the current stage.
 */
total_steps: number, 
/**
 * Whether the current stage has ended.
 */
finished: boolean, };

/**
 * How a stage pruned: a recipe sets each layer's ratio, the page one strength for all.
 */
export type StagePruning = PruneSpec | PruneSettings;

/**
 * One stage of a [`RunReport`]. Fields that only a recipe or only the page knows are absent
 * elsewhere.
 */
export type StageReport = { 
/**
 * The stage's name; a recipe's alone.
 */
name?: string | null, 
/**
 * What the stage did.
 */
kind: StageKind, 
/**
 * Identity of a recipe's stage: equal inputs have equal ids.
 */
id?: string | null, 
/**
 * Training steps, where the page ran it.
 */
steps?: number | null, 
/**
 * Accuracy on held-out images after it, in percent, once measured.
 */
accuracy: number | null, 
/**
 * Share of images whose label is among the five highest scores, in percent.
 */
top5?: number | null, 
/**
 * Mean cross-entropy on held-out images.
 */
loss?: number | null, 
/**
 * Number of images evaluated on.
 */
images: number | null, 
/**
 * Weights of all crossbar layers.
 */
weights: number, 
/**
 * Exact zeros among them.
 */
zeros: number, 
/**
 * Tiles by level after it.
 */
histogram: Array<number>, 
/**
 * Tiles by level before it; `None` for the first stage.
 */
histogram_before: Array<number> | null, 
/**
 * ADC energy after it.
 */
energy: AdcEnergies, 
/**
 * Seconds of work.
 */
seconds?: number | null, 
/**
 * The training run's configuration; `None` for pruning.
 */
spec: TrainConfig | null, 
/**
 * How it pruned; `None` for training.
 */
pruning: StagePruning | null, 
/**
 * Its epochs.
 */
epochs: Array<Epoch>, };

/**
 * How negative weights lie on crossbars.
 */
export type Subtraction = "digital" | "analog" | "offset";

/**
 * The cells of one tile.
 */
export type TileDetail = { 
/**
 * The layer's name.
 */
layer: string, 
/**
 * The tile's index in its layer.
 */
tile: number, 
/**
 * Crossbar rows (inputs).
 */
rows: number, 
/**
 * Crossbar columns (outputs).
 */
columns: number, 
/**
 * The first column's output channel.
 */
first_output: number, 
/**
 * The first row's input.
 */
first_input: number, 
/**
 * Hoyer density of each column, in effective rows.
 */
hoyer: Array<number>, 
/**
 * Rows of each column above the tolerance.
 */
counted: Array<number>, 
/**
 * Level after pruning.
 */
level: number, };

/**
 * Everything about a run that may vary between runs that are compared.
 *
 * ```
 * use crossdub::config::TrainConfig;
 *
 * let mut train = TrainConfig { epochs: 3, ..TrainConfig::default() };
 * train.set_model("vgg11_bn")?;
 * assert!(train.batch_norm && train.validate().is_ok());
 * assert_eq!(train.for_finetuning().learning_rate, 0.01);
 * # Ok::<(), crossdub::error::Error>(())
 * ```
 */
export type TrainConfig = { 
/**
 * Where images come from.
 */
data: DataSource, 
/**
 * The network's name, or `custom` when `plan`, `classifier` and `batch_norm` say it.
 */
model: string, 
/**
 * Convolution widths and poolings, `"32 M 64 M 128 M"`.
 */
plan: string, 
/**
 * Widths of the hidden fully connected layers, `"128"` or `"512,512"`; empty for none.
 */
classifier: string, 
/**
 * Whether a batch normalization follows each convolution; a ResNet has them anyway.
 */
batch_norm: boolean, 
/**
 * Width and height of the images, 0 for those that the data has: 32, or 224 for ImageNet.
 */
side: number, 
/**
 * Share of each hidden fully connected layer's outputs set to zero while training, 0 to below 1.
 */
dropout: number, 
/**
 * The device asked for.
 */
device: DeviceChoice, 
/**
 * Devices that share each batch, with commas, in the place of `device`; the first holds the network. Empty for one.
 */
devices: string, 
/**
 * Whether several devices gather gradients on the first one even where they could sum them between them.
 */
gather: boolean, 
/**
 * The numbers that a training pass computes in.
 */
precision: Precision, 
/**
 * The regularizer.
 */
regularizer: RegularizerKind, 
/**
 * Its weight (lambda_var; for group lasso lambda_g).
 */
lambda: number, 
/**
 * Weight of the mean density in the kinds that have it.
 */
lambda_mean: number, 
/**
 * Coupled weight decay (lambda_l2), PyTorch's formula.
 */
weight_decay: number, 
/**
 * Learning rate at the start.
 */
learning_rate: number, 
/**
 * Momentum, 0 to below 1.
 */
momentum: number, 
/**
 * Images a step.
 */
batch: number, 
/**
 * Passes over the training images.
 */
epochs: number, 
/**
 * Epochs after which the learning rate falls to a tenth.
 */
milestones: Array<number>, 
/**
 * How pixels become the numbers that the network takes.
 */
standardize: string, 
/**
 * Whether training images are shifted (pad 4, crop) and flipped.
 */
augment: boolean, 
/**
 * Keeps the last N training images for evaluation, instead of the test file.
 */
holdout: number, 
/**
 * Trains on only the first N training images; 0 for all. Evaluation is unaffected.
 */
limit: number, 
/**
 * What the optimizer moves.
 */
trainable: Trainable, 
/**
 * Seed of everything random: weights, order, augmentation, dropout, built-in images.
 */
seed: number, };

/**
 * What the optimizer moves.
 */
export type Trainable = "all" | "convolutions";

/**
 * How training went.
 */
export type TrainingSummary = { 
/**
 * `cpu` or `webgpu`.
 */
device: string, 
/**
 * The processor's or adapter's name.
 */
adapter: string, 
/**
 * Steps taken.
 */
step: number, 
/**
 * Whole epochs done.
 */
epoch: number, 
/**
 * Cross-entropy of the last batch.
 */
loss: number | null, 
/**
 * Last measured accuracy on held-out images, in percent.
 */
accuracy: number | null, 
/**
 * Images a second over the last steps.
 */
images_per_second: number | null, 
/**
 * One entry a step; of a recipe, one an epoch.
 */
history: Array<HistoryEntry>, };

/**
 * Analysis of the current weights, what pruning leaves of them, and maps of both.
 */
export type View = { 
/**
 * The current weights.
 */
analysis: Analysis, 
/**
 * The pruned weights.
 */
preview: Preview, 
/**
 * One map per layer.
 */
maps: Array<LayerMap>, };

/**
 * What shares one scale of the quantized weights.
 */
export type WeightScale = "layer" | "channel";

/**
 * What a budget counts.
 */
export type Weighting = "per-tile" | "per-inference";
