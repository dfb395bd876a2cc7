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
 * The paper's count: all rows at once, 1-bit inputs and cells, whatever the hardware's are.
 */
paper: AdcEnergy, 
/**
 * The lossless count of the active rows, with the hardware's inputs, cells, signs and rows at once.
 */
lossless: AdcEnergy, 
/**
 * The lossless count of set cells in each weight slice and polarity, for weights that are integers: at
 * `weight_precision` bits with all cells set, and as they are.
 */
lossless_sliced?: AdcEnergy | null, };

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
 * assert!(error.to_string().starts_with("invalid adc (magic): must be one of paper, lossless"));
 * # Ok::<(), crossdub::error::Error>(())
 * ```
 */
export type AdcModel = string;

/**
 * The range of sums that a converter's codes cover.
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
 * Magnitude up to which a weight is an almost zero.
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
 * Tiles by level, almost zeros counted as zeros.
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
 * Energy of an inference by every requested model and resolution.
 */
inference: Inference | null, 
/**
 * What was taken from the checkpoint and what was left out, for weights that were read from a file.
 */
checkpoint?: CheckpointAccount | null, };

/**
 * What an analysis took from a checkpoint.
 *
 * ```
 * use crossdub::checkpoint::{Checkpoint, NamedTensor};
 *
 * let tensor = |name: &str, shape: &[usize]| NamedTensor {
 *     name: name.into(),
 *     shape: shape.into(),
 *     data: vec![0.5; shape.iter().product()],
 * };
 * let weights = Checkpoint::new(vec![tensor("conv1.weight", &[8, 3, 3, 3]), tensor("fc.weight", &[10, 8])]);
 * let account = weights.account(false);
 * assert_eq!(account.taken[0].name, "conv1.weight");
 * assert_eq!((&*account.left_out[0].name, &*account.left_out[0].why), ("fc.weight", "fully connected"));
 * ```
 */
export type CheckpointAccount = { 
/**
 * The file's format: `pytorch`, `pytorch-legacy`, `safetensors`; empty for weights that were not read.
 */
format: string, 
/**
 * The network that was taken, if the file has a name for it.
 */
network: string | null, 
/**
 * Other networks of the file.
 */
other_networks: Array<string>, 
/**
 * The layers on crossbars.
 */
taken: Array<TakenTensor>, 
/**
 * All other tensors.
 */
left_out: Array<LeftOut>, 
/**
 * Remarks, one sentence each.
 */
notes: Array<string>, };

/**
 * One column of one tile, for one window of one image.
 */
export type ColumnTrace = { 
/**
 * The weight's name.
 */
layer: string, 
/**
 * The tile's index in the layer.
 */
tile: number, 
/**
 * The column's index in the tile.
 */
column: number, 
/**
 * The output channel it belongs to.
 */
output: number, 
/**
 * The layer's inputs on the tile's rows, as start and end (exclusive).
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
 * The values of each chunk of input bits: a list over the rows for each chunk, the lowest first.
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
 * The sum of the codes times their factors.
 */
result: number, 
/**
 * The digital product, which an exact result equals.
 */
expected: number, };

/**
 * One conversion of a column.
 */
export type Conversion = { 
/**
 * The active rows of the tile, as start and end (exclusive).
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
 * The sum that the column's current represents.
 */
sum: number, 
/**
 * Bits of the conversion, including its sign; `None` if nothing is converted.
 */
bits: number | null, 
/**
 * The converter's code.
 */
code: number, 
/**
 * Whether the sum was beyond the largest code.
 */
saturated: boolean, 
/**
 * The code's factor in the output: a power of two, or its negative.
 */
weight: number, };

/**
 * Crossbars that the network takes: one per tile, weight slice and polarity; as many slices as weights
 * have cells side by side (`weight_bits`) share one.
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
 * The data that a recipe ran on.
 */
export type DataDescription = { 
/**
 * The data source, for example `builtin` or `cifar10`.
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
 * SHA-256 of images, labels and class names; for image files, of their names and sizes. Empty if it was not taken.
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
 * The epoch of the stage, from 1.
 */
epoch: number, 
/**
 * Steps of the stage up to the end of the epoch.
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
 * Accuracy on held-out images at its end, in percent.
 */
accuracy: number, 
/**
 * Mean cross-entropy on held-out images at its end.
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
 * The hardware a network is mapped to, the same in a fair comparison.
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
 * The number of bits of a conversion.
 */
resolution: Resolution, 
/**
 * What shares one resolution.
 */
per: Granularity, 
/**
 * Bits of a quantized weight, including its sign.
 */
weight_precision: number, 
/**
 * What shares one scale of the quantized weights.
 */
weight_scale: WeightScale, 
/**
 * Bits per cell.
 */
cell_bits: number, 
/**
 * Bits of a quantized input.
 */
input_bits: number, 
/**
 * Input bits applied at a time.
 */
dac_bits: number, 
/**
 * How crossbars represent negative weights.
 */
subtraction: Subtraction, 
/**
 * Rows active at the same time; 0 for all of a crossbar.
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
 * Previewed improvement in ADC energy at the paper's resolution, if it was computed.
 */
improvement_paper: number | null, 
/**
 * The same at the lossless resolution.
 */
improvement_lossless: number | null, };

/**
 * The importance of a weight, which a budget preserves. Each layer's importances sum to 1.
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
 * 2 if positive and negative weights have crossbars of their own, else 1.
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
 * Where that fraction was published; `None` for the user's own number.
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
 * Bits of the conversions by weight slice; empty where weights of 0 set cells.
 */
slices: Array<LayerSlices>, 
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
 * What pruning saves, every crossbar counted once, as the paper counts; `None` if no converter has
 * that many bits.
 */
per_tile: AdcEnergy | null, 
/**
 * What pruning saves of all conversions of an inference; `None` without positions.
 */
per_inference: AdcEnergy | null, 
/**
 * What the mapping leaves empty, every crossbar counted once: full crossbars (`dense`) against the
 * network before pruning (`actual`).
 */
mapping_per_tile: AdcEnergy | null, 
/**
 * The same for all conversions of an inference.
 */
mapping_per_inference: AdcEnergy | null, 
/**
 * Improvement of the whole accelerator (Amdahl's law), if the converters' fraction is known.
 */
whole_improvement: number | null, 
/**
 * Conversions of an inference: at every column (`dense`), and where there is something to convert.
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
 * The progress of a step, and the number of steps of the stages before.
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
 * Whose kernels compute: on the CPU backend convolutions, poolings and normalizations, on graphics processors (without
 * the feature `autotune`) convolutions, max pooling and small fully connected layers. Both give the same results
 * but for rounding. All else, and every other backend, uses Burn's.
 */
export type Kernels = "crossdub" | "burn";

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
 * Tiles by level, almost zeros counted as zeros.
 */
almost_zero_histogram: Array<number>, 
/**
 * Sparsity of each tile's least sparse column.
 */
tile_sparsity: Array<number>, 
/**
 * The same, almost zeros counted as zeros.
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
 * What pruning saves, every crossbar counted once.
 */
per_tile: AdcEnergy | null, 
/**
 * What pruning saves of all conversions of an inference.
 */
per_inference: AdcEnergy | null, 
/**
 * What the mapping leaves empty, every crossbar counted once.
 */
mapping_per_tile: AdcEnergy | null, 
/**
 * The same for all conversions of an inference.
 */
mapping_per_inference: AdcEnergy | null, 
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
 * The conversions and errors of one layer, over all images.
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
 * Tiles along the inputs.
 */
across: number, 
/**
 * Tiles along the outputs.
 */
down: number, 
/**
 * Columns of all crossbars by the bits of their conversions, from 0 bits on, without columns that are
 * never converted.
 */
columns_by_bits: Array<number>, 
/**
 * Number of conversions.
 */
conversions: number, 
/**
 * Conversions whose sum was beyond the largest code.
 */
saturated_conversions: number, 
/**
 * Output integers that differ from those of the quantized network.
 */
mismatched_outputs: number, 
/**
 * Inputs outside the calibrated range, which were clipped to it.
 */
clipped_activations: number, 
/**
 * Saturated conversions of each tile, in tile order: output block, then input block.
 */
saturated_by_tile: Array<number>, };

/**
 * What the conversions of a layer take, by weight slice.
 */
export type LayerSlices = { 
/**
 * The parameter's name.
 */
name: string, 
/**
 * The lowest bits first.
 */
slices: Array<SliceEnergy>, };

/**
 * A tensor that was left out.
 */
export type LeftOut = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its dimensions, as in the file.
 */
shape: Array<number>, 
/**
 * Its element type in the file, by PyTorch's name.
 */
dtype: string, 
/**
 * Why it does not become a crossbar layer.
 */
why: string, };

/**
 * The number format of activations and products in a training pass. Weights, momentum, the regularizer and evaluation
 * always use f32.
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
 * The fields of a pruning. Fields that the rule does not use are accepted and ignored.
 *
 * ```
 * use crossdub::compress::fields::PruneFields;
 * use crossdub::prune::PruneRule;
 *
 * let fields: PruneFields = serde_json::from_str(r#"{ "rule": "budget", "target": 4 }"#)?;
 * assert_eq!(fields, PruneFields::new(PruneRule::Budget).with_target(4.0));
 * # Ok::<(), serde_json::Error>(())
 * ```
 */
export type PruneFields = { 
/**
 * How to prune
 */
rule: PruneRule, 
/**
 * One ratio per layer, in percent: the smallest weights that count as almost zero, instead of --tol; with
 * the rule tiles, the share of tiles to remove
 */
ratios: Array<number>, 
/**
 * With the rules budget and bit-planes: the improvement in ADC energy to reach
 */
target: number | null, 
/**
 * With the rules budget and bit-planes: what to count, per-tile (each tile once) or per-inference (needs the
 * network)
 */
weighting: Weighting, 
/**
 * With the rules budget and bit-planes: what makes a weight important, magnitude or input (the weight times its
 * input; needs the network and --data)
 */
importance: Importance, 
/**
 * Adjust the remaining weights to compensate for the pruned ones (needs the network and --data)
 */
compensate: boolean, 
/**
 * Training images to measure inputs on
 */
images: number, };

/**
 * The name of a pruning method in options, recipes and JSON.
 */
export type PruneRule = "exact" | "paper" | "budget" | "bit-planes" | "magnitude" | "tiles";

/**
 * How the whole network is pruned.
 */
export type PruneSettings = { 
/**
 * The rule.
 */
rule: PruneRule, 
/**
 * Weights of each layer that count as almost zeros, in percent; used by `exact` and `paper`.
 */
strength: number, 
/**
 * The improvement in ADC energy: by the paper's count with `budget`, by that of set cells with `bit-planes`. The other
 * rules don't use it.
 */
target: number, };

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
 * A method's best ranked run (see [`PublishedRun::is_ranked`]).
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
 * The number of bits of a conversion.
 */
export type Resolution = string;

/**
 * How a run ended.
 */
export type RunKind = "full" | "structured" | "diverged";

/**
 * The report of a run: its configuration, its training, and the ADC energy that it saves.
 *
 * `training` covers all stages; `analysis` and `maps` are of the final weights.
 */
export type RunReport = { 
/**
 * The name of the recipe.
 */
name?: string | null, 
/**
 * The description of the recipe.
 */
description?: string | null, 
/**
 * The seed of a recipe.
 */
seed?: number | null, 
/**
 * The data of a recipe.
 */
data?: DataDescription | null, 
/**
 * Kind of the device of a recipe's last stage.
 */
device?: string | null, 
/**
 * The stages, in order; empty for a single training.
 */
stages?: Array<StageReport>, 
/**
 * Seconds of work of all stages of a recipe.
 */
seconds?: number | null, 
/**
 * The tiles of each layer: density, balance, level, bits.
 */
maps?: Array<LayerMap>, 
/**
 * Version of this object.
 */
schema_version: number, 
/**
 * Version of Crossdub.
 */
version: string, 
/**
 * The configuration.
 */
spec: TrainConfig, 
/**
 * The hardware.
 */
hardware: HardwareConfig, 
/**
 * A summary of training.
 */
training: TrainingSummary, 
/**
 * The crossbars and their ADC energy.
 */
analysis: Analysis, };

/**
 * How the learning rate changes over a run. The names are those of PyTorch's schedulers.
 *
 * ```
 * use crossdub::config::Schedule;
 *
 * let milestones = [2];
 * let rate = |schedule: Schedule, step| schedule.learning_rate(0.1, &milestones, step, (10, 4));
 * assert_eq!(rate(Schedule::MultiStep, 19), 0.1);
 * assert_eq!(rate(Schedule::OneCycle, 11), 0.1, "the largest, after 30 % of the 40 steps");
 * assert!(rate(Schedule::OneCycle, 39) < 1e-6);
 * ```
 */
export type Schedule = "multi-step" | "one-cycle";

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
 * Their standard deviation, unbiased; `None` for a single seed.
 */
deviation: number | null, };

/**
 * The options of a simulation, besides the hardware. The default is ideal.
 *
 * ```
 * use crossdub::simulate::config::SimulationConfig;
 *
 * assert!(SimulationConfig::default().is_ideal());
 * let noisy = SimulationConfig { read_noise: 0.01, ..SimulationConfig::default() };
 * assert!(!noisy.is_ideal() && noisy.validate().is_ok());
 * let error = SimulationConfig { stuck_on: 1.5, ..SimulationConfig::default() }.validate().unwrap_err();
 * assert_eq!(error.field_name(), Some("stuck_on"));
 * ```
 */
export type SimulationConfig = { 
/**
 * Number of training images that calibrate the ranges of the activations.
 */
calibration: number, 
/**
 * Whether fully connected layers are mapped to crossbars too.
 */
linear: boolean, 
/**
 * The range of sums that a converter's codes cover.
 */
adc_range: AdcRange, 
/**
 * The percentile of the sums that a calibrated range covers, above 0 and at most 100.
 */
percentile: number, 
/**
 * Current of a cell at its highest level over its current at level 0; 0 if level 0 carries none.
 */
on_off_ratio: number, 
/**
 * Standard deviation of a cell's programmed conductance, as a fraction of that conductance.
 */
proportional_error: number, 
/**
 * The same as a fraction of the highest level, on every cell, including empty ones.
 */
independent_error: number, 
/**
 * Standard deviation of a cell's current between readings, as a fraction of the highest level.
 */
read_noise: number, 
/**
 * Fraction of cells that are stuck at the highest level.
 */
stuck_on: number, 
/**
 * Fraction of cells that are stuck at level 0.
 */
stuck_off: number, 
/**
 * Seed of all non-idealities.
 */
noise_seed: number, };

/**
 * The results of a simulation.
 */
export type SimulationReport = { 
/**
 * Version of this object's fields.
 */
schema_version: number, 
/**
 * Number of simulated images.
 */
images: number, 
/**
 * Accuracy through crossbars and converters, in percent; `None` before the first image.
 */
accuracy: number | null, 
/**
 * Accuracy of the float network on the same images, in percent, if it was evaluated.
 */
digital_accuracy: number | null, 
/**
 * Accuracy of the quantized network without crossbars, in percent.
 */
quantized_accuracy: number | null, 
/**
 * Number of conversions.
 */
conversions: number, 
/**
 * Conversions whose sum was beyond the largest code.
 */
saturated_conversions: number, 
/**
 * Output integers that differ from those of the quantized network.
 */
mismatched_outputs: number, 
/**
 * Activations outside the calibrated range, which were clipped to it.
 */
clipped_activations: number, 
/**
 * Whether every output integer of every layer equals that of the quantized network.
 */
exact: boolean, 
/**
 * Accuracy over several seeds, if there is more than one.
 */
seeds: SeedReport | null, 
/**
 * A caveat about this mapping.
 */
note: string | null, 
/**
 * The simulated hardware.
 */
hardware: HardwareConfig, 
/**
 * The options of the simulation.
 */
simulation: SimulationConfig, 
/**
 * The layers on crossbars.
 */
layers: Array<LayerReport>, };

/**
 * One weight slice of a tile after pruning.
 */
export type SliceDetail = { 
/**
 * The lowest magnitude bit that its cells hold.
 */
lowest_bit: number, 
/**
 * The most set cells of a column, of positive and of negative weights, among rows that are active at once.
 */
set: [number, number], 
/**
 * Bits that lose nothing at the tile's fullest column, for positive and for negative weights.
 */
bits: [number, number], };

/**
 * One weight slice of a layer at the resolution that tells apart all sums of set cells, every crossbar counted once.
 */
export type SliceEnergy = { 
/**
 * The lowest magnitude bit that its cells hold.
 */
lowest_bit: number, 
/**
 * Conversions: one for each tile, polarity and group of rows.
 */
conversions: number, 
/**
 * Bits of all of them with all cells set.
 */
dense: number, 
/**
 * Bits as the cells are.
 */
actual: number, };

/**
 * The kind of a stage.
 */
export type StageKind = "train" | "prune" | "finetune";

/**
 * The progress of the current stage, also before its first step.
 */
export type StageProgress = { 
/**
 * Steps of the stages before.
 */
before: number, 
/**
 * Steps of the current stage so far.
 */
step: number, 
/**
 * Steps per epoch.
 */
steps_per_epoch: number, 
/**
 * Steps of the whole current stage.
 */
total_steps: number, 
/**
 * Whether the current stage is finished.
 */
finished: boolean, };

/**
 * How a stage pruned: a recipe has one ratio per layer, the page one strength for all layers.
 */
export type StagePruning = PruneFields | PruneSettings;

/**
 * One stage of a [`RunReport`](super::report::RunReport). Recipes have a name, an ID, seconds and epochs; the page has the number of steps.
 */
export type StageReport = { 
/**
 * The name of a recipe's stage.
 */
name?: string | null, 
/**
 * The kind of the stage.
 */
kind: StageKind, 
/**
 * The ID of a recipe's stage: equal inputs have equal IDs.
 */
id?: string | null, 
/**
 * Training steps of a stage that the page ran.
 */
steps?: number | null, 
/**
 * Accuracy on held-out images after the stage, in percent, once measured.
 */
accuracy: number | null, 
/**
 * Images with their label among the five highest scores, in percent.
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
 * Number of weights of all crossbar layers.
 */
weights: number, 
/**
 * Number of exact zeros among them.
 */
zeros: number, 
/**
 * Number of tiles at each level after the stage.
 */
histogram: Array<number>, 
/**
 * Number of tiles at each level before the stage; `None` for the first one.
 */
histogram_before: Array<number> | null, 
/**
 * ADC energy after the stage.
 */
energy: AdcEnergies, 
/**
 * The hardware that energy and histogram are of, if the page has mapped the run to another since.
 */
hardware?: HardwareConfig | null, 
/**
 * Seconds of work.
 */
seconds?: number | null, 
/**
 * The file that a recipe's stage started from, if it named one.
 */
weights_file?: string | null, 
/**
 * The stage or file that it learned from.
 */
teacher?: string | null, 
/**
 * The training configuration; `None` for pruning.
 */
spec: TrainConfig | null, 
/**
 * How the stage pruned; `None` for training.
 */
pruning: StagePruning | null, 
/**
 * The epochs of a recipe's stage.
 */
epochs: Array<Epoch>, };

/**
 * How pixels, scaled to 0 to 1, become the numbers that a network takes. A network answers well only to what it was
 * trained on.
 *
 * ```
 * use crossdub::config::Standardize;
 *
 * let constants: Standardize = "0.4914,0.4822,0.4465/0.247,0.2435,0.2616".parse()?;
 * assert_eq!(constants.to_string(), "0.4914,0.4822,0.4465/0.247,0.2435,0.2616");
 * assert_eq!("0.5/0.5".parse(), Ok(Standardize::Channels { mean: [0.5; 3], deviation: [0.5; 3] }));
 * assert!("0.5".parse::<Standardize>().is_err());
 * # Ok::<(), crossdub::error::Error>(())
 * ```
 */
export type Standardize = string;

/**
 * How crossbars represent negative weights.
 */
export type Subtraction = "digital" | "analog" | "offset";

/**
 * A tensor that was taken as a layer on crossbars.
 */
export type TakenTensor = { 
/**
 * Its name.
 */
name: string, 
/**
 * Its dimensions, as in the file.
 */
shape: Array<number>, 
/**
 * Its element type in the file, by PyTorch's name.
 */
dtype: string, };

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
level: number, 
/**
 * The weight slices of the integers, the lowest bits first.
 */
slices: Array<SliceDetail>, };

/**
 * Everything about a run that may vary between compared runs.
 *
 * ```
 * use crossdub::config::{NetworkName, TrainConfig};
 *
 * let mut train = TrainConfig { epochs: 3, ..TrainConfig::default() };
 * train.set_model(NetworkName::Vgg11Bn);
 * assert!(train.batch_norm && train.validate().is_ok());
 * assert_eq!(train.for_finetuning().learning_rate, 0.01);
 * ```
 */
export type TrainConfig = { 
/**
 * Where images come from.
 */
data: DataSource, 
/**
 * The network's name; [`NetworkName::Custom`] if plan, classifier and batch normalization are not that network's.
 */
model: string, 
/**
 * The convolutions: widths and poolings, such as `32 M 64 M 128 M`, or the stages of a ResNet.
 */
plan: string, 
/**
 * Widths of the hidden fully connected layers, such as `512,512`.
 */
classifier: string, 
/**
 * Whether a batch normalization follows each convolution of a VGG. A ResNet has them anyway.
 */
batch_norm: boolean, 
/**
 * Width and height of the images in pixels; 0 for the data's own: 224 for ImageNet, else 32.
 */
side: number, 
/**
 * Dropout probability after each hidden fully connected layer, 0 to below 1.
 */
dropout: number, 
/**
 * The device to compute on.
 */
device: DeviceChoice, 
/**
 * Devices that share each batch, instead of `device`; the first holds the network. Empty for a single device.
 */
devices: string, 
/**
 * Whether to sum gradients on the first device, even if the devices could all-reduce them.
 */
gather: boolean, 
/**
 * Precision of the forward and backward pass.
 */
precision: Precision, 
/**
 * Whose kernels compute.
 */
kernels: Kernels, 
/**
 * The regularizer.
 */
regularizer: RegularizerKind, 
/**
 * Weight of the regularizer (lambda_var; lambda_g for group lasso).
 */
lambda: number, 
/**
 * Weight of the mean density, for the kinds that have it.
 */
lambda_mean: number, 
/**
 * Weight decay coupled to the gradient (lambda_l2), as in PyTorch's SGD.
 */
weight_decay: number, 
/**
 * Learning rate: the initial one, or the largest of a one-cycle schedule.
 */
learning_rate: number, 
/**
 * Momentum, 0 to below 1.
 */
momentum: number, 
/**
 * Images per step.
 */
batch: number, 
/**
 * Passes over the training images.
 */
epochs: number, 
/**
 * How the learning rate changes over the run.
 */
schedule: Schedule, 
/**
 * Epochs after which the learning rate drops to a tenth, with [`Schedule::MultiStep`].
 */
milestones: Array<number>, 
/**
 * How pixels become the numbers that the network takes.
 */
standardize: Standardize, 
/**
 * Whether training images are shifted (pad 4, crop) and flipped.
 */
augment: boolean, 
/**
 * Holds out the last N training images for evaluation, instead of the test file.
 */
holdout: number, 
/**
 * Trains on the first N training images only; 0 for all. Evaluation is unaffected.
 */
limit: number, 
/**
 * Which parameters the optimizer updates.
 */
trainable: Trainable, 
/**
 * Bits of quantized weights, 2 to 8, their sign among them, for all layers that are quantized or for each; empty to
 * train in floats.
 */
quantize_precision: string, 
/**
 * The most set cells of a tile's column in each weight slice and polarity of quantized weights; empty without a limit.
 */
quantize_cap: string, 
/**
 * Whether fully connected layers are quantized too, with their inputs: they come after the convolutions.
 */
quantize_linear: boolean, 
/**
 * Epochs over which the caps tighten from no limit to their values; 0 for at once.
 */
quantize_ramp: number, 
/**
 * Weight of what caps are missed by: half the squared distance to the weights that keep to them.
 */
quantize_lambda: number, 
/**
 * A teacher's share of the loss, 0 to 1, in a run that has one; the labels have the rest.
 */
distill_weight: number, 
/**
 * What both networks' scores are divided by before they are compared.
 */
distill_temperature: number, 
/**
 * Seed of everything random: initial weights, image order, augmentation, dropout, built-in images.
 */
seed: number, };

/**
 * Which parameters the optimizer updates.
 */
export type Trainable = "all" | "convolutions";

/**
 * A summary of training, over all stages.
 */
export type TrainingSummary = { 
/**
 * Kind of the device, for example `cpu` or `webgpu`.
 */
device: string, 
/**
 * Name of the processor or graphics adapter.
 */
adapter: string, 
/**
 * Number of steps.
 */
step: number, 
/**
 * Number of complete epochs.
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
 * Images per second over the last steps.
 */
images_per_second: number | null, 
/**
 * One entry per step; for a recipe, one per epoch.
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
 * What the energy of a budget counts.
 */
export type Weighting = "per-tile" | "per-inference";
