/** The objects that the Rust crate returns. Names and fields are those of its types and of the command line's JSON. */

export interface TrainConfig {
  data: 'builtin' | 'cifar10';
  model: string;
  plan: string;
  classifier: string;
  batch_norm: boolean;
  side: number;
  dropout: number;
  device: 'auto' | 'webgpu' | 'cpu';
  /** Several devices; only the command line has them. */
  devices: string;
  /** Whether several devices gather gradients instead of summing them. */
  gather: boolean;
  /** What training computes in; the page takes `f32`. */
  precision: 'f32' | 'bf16';
  regularizer:
    | 'none' | 'gated' | 'ungated' | 'mean-and-variance' | 'mean-and-gated-variance'
    | 'group-lasso-tile' | 'group-lasso-row' | 'group-lasso-column';
  lambda: number;
  lambda_mean: number;
  weight_decay: number;
  learning_rate: number;
  momentum: number;
  batch: number;
  epochs: number;
  milestones: number[];
  augment: boolean;
  holdout: number;
  limit: number;
  trainable: 'all' | 'convolutions';
  seed: number;
}

export interface HardwareConfig {
  /** Rows of a crossbar, and its columns of cells (0: as many as rows). */
  tile: number; columns: number;
  weight_bits: number; tol: number;
  /**
   * The ADC: the id of its energy model, its resolution (`paper`, `lossless`, `lossless-sliced`, or bits as text),
   * and what shares one resolution.
   */
  adc: string; resolution: string; per: 'tile' | 'column';
  weight_precision: number; weight_scale: 'layer' | 'channel'; cell_bits: number; input_bits: number; dac_bits: number;
  subtraction: 'digital' | 'analog' | 'offset';
  /** Rows active at once (0: all). */
  active_rows: number;
}

/** ADC energy by one model, in the model's unit; `improvement` is null when nothing is left to convert. */
export interface Energy { dense: number; actual: number; improvement: number | null; }

export interface Layer {
  name: string; outputs: number; inputs: number;
  /** Groups of outputs with inputs of their own; no tile spans two. */
  groups: number;
  tiles: number; weights: number; zeros: number;
  histogram: number[]; almost_zero_histogram: number[];
  tile_sparsity: number[]; tile_almost_zero_sparsity: number[];
}

/** What `crossdub analyze --json` prints. */
export interface Analysis {
  schema_version: number; tile: number; weight_bits: number; tol: number;
  weights: number; zeros: number; almost_zeros: number; tiles: number;
  histogram: number[]; almost_zero_histogram: number[]; layers: Layer[];
  energy: { paper: Energy; lossless: Energy };
}

/** One layer's tiles for the maps, in tile order: output block, then input block. */
export interface LayerMap {
  name: string;
  /** Tiles across (input blocks) and down (output blocks): tile t is at row floor(t / across), column t % across. */
  across: number; down: number;
  /** Mean Hoyer density of the tile's columns over its true rows, 0 to 1. */
  density: number[];
  /** Standard deviation of the columns' Hoyer densities in effective rows: the imbalance. */
  imbalance: number[];
  /** Level each tile would have if pruned now (0 = dense; levels + 1 = needs no conversion). */
  level: number[];
  /** ADC bits each tile would need if pruned now, by each model. */
  bits_paper: number[]; bits_lossless: number[];
  /** Counted from set cells; empty unless `resolution` is `lossless-sliced`. */
  bits_lossless_sliced: number[];
}

/**
 * How to prune. `budget` reaches the ADC energy improvement `target`; the other rules count the smallest `strength`
 * percent of each layer as almost zero.
 */
export interface PruneSettings { rule: 'exact' | 'paper' | 'budget'; strength: number; target: number; }

/** The result of pruning a copy now; of a network that is already pruned, its current state. */
export interface Preview {
  weights: number; zeros: number;
  histogram: number[];
  energy: { paper: Energy; lossless: Energy };
}

/** Analysis, preview and maps of the current weights. */
export interface View { analysis: Analysis; preview: Preview; maps: LayerMap[]; }

/** One tile's cells, for the detail view. */
export interface TileDetail {
  layer: string; tile: number; rows: number; columns: number;
  /** First output channel (crossbar column) and input (crossbar row) of the tile. */
  first_output: number; first_input: number;
  /** Weights, column after column: values[column * rows + row]. */
  values: Float32Array;
  /** 1 where the previewed pruning keeps the weight. */
  kept: Uint8Array;
  /** Hoyer density of each column in effective rows, and rows counted above the tolerance. */
  hoyer: number[]; counted: number[];
  level: number;
}

/** Progress of the current stage. */
export interface StageProgress {
  /** Steps of all earlier stages. */
  before: number;
  /** Of the current stage. */
  step: number; steps_per_epoch: number; total_steps: number;
  finished: boolean;
}

/** After each step. */
export interface Progress extends StageProgress {
  epoch: number;
  loss: number; regularizer: number; batch_accuracy: number; learning_rate: number;
  images_per_second: number | null; seconds_left: number | null;
  /** Share of the time spent waiting for data. */
  data_wait_percent: number | null;
}

/** Accuracies are in percent, everywhere. */
export interface Evaluation { accuracy: number; top5: number; loss: number; images: number; }

/** An entry of `report().training.history`; accuracy and improvements are null on steps that did not measure them. */
export interface HistoryEntry {
  step: number; loss: number; regularizer: number; accuracy: number | null;
  improvement_paper: number | null; improvement_lossless: number | null;
}

/** What `crossdub.report()` resolves to. */
export interface Report {
  /** Of a recipe's report. */
  name?: string;
  schema_version: number; version: string;
  spec: TrainConfig; hardware: HardwareConfig;
  training: {
    device: string; adapter: string; step: number; epoch: number;
    loss: number | null; accuracy: number | null; images_per_second: number | null;
    history: HistoryEntry[];
  };
  /** With the energy of an inference in a recipe's report. */
  analysis: Analysis & { inference?: Inference };
  /** The run's stages, the current one last; missing in reports of `crossdub train`. */
  stages?: Stage[];
  /** Each layer's tiles, in a recipe's report. */
  maps?: LayerMap[];
}

/** What `report()` resolves to while a checkpoint is displayed: its analysis, and the rest from the waiting run, if any. */
export interface CheckpointReport extends Partial<Report> { checkpoint: string; hardware: HardwareConfig; analysis: Analysis; }

/** A stage of a run or a recipe. */
export interface Stage {
  kind: 'train' | 'prune' | 'finetune';
  /** Training steps; missing in a recipe's report. */
  steps?: number;
  /** In percent, on the first `images` held-out images; null when not measured. */
  accuracy: number | null; images: number | null;
  weights: number; zeros: number; histogram: number[];
  energy: { paper: Energy; lossless: Energy };
  /** What pruning did to the tiles. */
  forced?: number; loosened?: number; zeroed_tiles?: number;
}

/** The stages before the current one, for `Run.resume`; the page does not read them. */
export interface CompletedStages { stages: object; trained: Uint8Array; }

/** Before and after pruning. */
export interface Pair { dense: number; actual: number; }

/** One model at one policy. */
export interface InferenceRow {
  model: string; resolution: string; per: 'tile' | 'column'; unit: 'bits' | 'pJ'; extrapolated: boolean;
  /** Every crossbar counted once, as the paper counts. */
  per_tile: Energy | null;
  /** All conversions of an image; null where the network is not known. */
  per_inference: Energy | null;
  conversions: Pair | null; area_um2: Pair | null; latency_ns: Pair | null;
}

/** Energy of an inference by every model and policy. */
export interface Inference {
  input_slices: number; weight_slices: number; polarities: number;
  crossbars: { dense: number; pruned: number; with_set_cells: number };
  table: InferenceRow[];
}

/** Energy of a conversion over bits, by one model. */
export interface Curve { model: string; unit: 'bits' | 'pJ'; energy: number[]; extrapolated: boolean[]; }

export interface Comparison { bits: number[]; models: Curve[]; }

/** What one layer's crossbars did in a simulation. */
export interface SimulatedLayer {
  name: string; across: number; down: number;
  /** Columns of all its crossbars by the bits of their conversions, from 0 bits on. */
  columns_by_bits: number[];
  conversions: number; saturated_conversions: number; mismatched_outputs: number; clipped_activations: number;
  /** Saturated conversions of each tile, in tile order. */
  saturated_by_tile: number[];
}

/** What `crossdub simulate --json` prints. */
export interface SimulationReport {
  images: number;
  accuracy: number | null; digital_accuracy: number | null; quantized_accuracy: number | null;
  conversions: number; saturated_conversions: number; mismatched_outputs: number; clipped_activations: number;
  /** Whether every output integer of every layer is the quantized network's. */
  exact: boolean;
  note: string | null;
  hardware: HardwareConfig;
  layers: SimulatedLayer[];
}

/** One conversion of a column. */
export interface Conversion {
  rows: [number, number]; slice: number; polarity: string; chunk: number;
  sum: number; bits: number | null; code: number; saturated: boolean;
  /** What the code counts in the output. */
  weight: number;
}

/** One column of one tile under one window of one image. */
export interface ColumnExample {
  layer: string; tile: number; column: number; output: number; inputs: [number, number];
  weights: number[]; applied: number[];
  conversions: Conversion[];
  result: number; expected: number;
}

/** One of the authors' 69 published runs. */
export interface PublishedRun {
  dataset: string; method: string; tile: number;
  /** `structured`: S-DUB's first stage alone; `diverged`: ended at chance. */
  kind: 'full' | 'structured' | 'diverged';
  accuracy: number; clean_accuracy: number; zeros: number; weights: number;
  lambda_l2: number; lambda: number; log: string; histogram: number[];
  /** By each of `Published.models`; null when nothing is left to convert. */
  improvement: (number | null)[];
}

export interface Published {
  source: string;
  models: { model: string; resolution: string; unit: 'bits' | 'pJ' }[];
  runs: PublishedRun[];
  /** Methods by their best run within a percentage point of the clean network. */
  rankings: { dataset: string; tile: number; model: string; methods: { method: string; improvement: number; accuracy: number }[] }[];
}
