/**
 * The page's vocabulary: the objects that the Rust crate hands out (crate/src/web.rs) and the
 * messages between page and worker. Field names are those of the command line's JSON.
 */

export interface RunSpec {
  data: 'builtin' | 'cifar10';
  model: string;
  plan: string;
  classifier: string;
  batch_norm: boolean;
  side: number;
  dropout: number;
  device: 'auto' | 'webgpu' | 'cpu';
  /** Several devices, in the command line alone. */
  devices: string;
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

export interface HardwareSpec {
  /** Rows of a crossbar, and its columns of cells (0: as many as rows). */
  tile: number; columns: number;
  weight_bits: number; tol: number;
  /** The converter: its energy model's id, its resolution (`paper`, `lossless`, `lossless-sliced`, or bits as text), and what shares one. */
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

/** How to prune. Rules other than `budget` prune the smallest `strength` percent of each layer; `budget` goes for the improvement `target`. */
export interface PruneChoice { rule: 'exact' | 'paper' | 'budget'; strength: number; target: number; }

/** "If pruned now", computed by the chosen rule on a copy; of a network that is pruned already, what it is. */
export interface Preview {
  weights: number; zeros: number;
  histogram: number[];
  energy: { paper: Energy; lossless: Energy };
}

/** Analysis, preview and maps of the present weights. */
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

/** How far the present phase is. */
export interface Position {
  /** Steps of the phases before the present one: training, earlier fine-tuning. */
  before: number;
  /** Of the present phase. */
  step: number; steps_per_epoch: number; total_steps: number;
  finished: boolean;
}

/** After each step. */
export interface Progress extends Position {
  epoch: number;
  loss: number; regularizer: number; batch_accuracy: number; learning_rate: number;
  images_per_second: number | null; seconds_left: number | null;
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
  spec: RunSpec; hardware: HardwareSpec;
  training: {
    device: string; adapter: string; step: number; epoch: number;
    loss: number | null; accuracy: number | null; images_per_second: number | null;
    history: HistoryEntry[];
  };
  /** With the energy of an inference in a recipe's report. */
  analysis: Analysis & { inference?: Inference };
  /** The stages the run went through, the last one the present; not in reports of a training alone. */
  stages?: Stage[];
  /** Each layer's tiles, in a recipe's report. */
  maps?: LayerMap[];
}

/** What `report()` resolves to while a checkpoint is shown: its analysis; the rest is of the run that waits, where there is one. */
export interface CheckpointReport extends Partial<Report> { checkpoint: string; hardware: HardwareSpec; analysis: Analysis; }

/** A stage, in a run by hand or in a recipe. */
export interface Stage {
  kind: 'train' | 'prune' | 'finetune';
  /** Steps of training that it took; not in a recipe's report. */
  steps?: number;
  /** In percent, on the first `images` held-out images; null when not measured. */
  accuracy: number | null; images: number | null;
  weights: number; zeros: number; histogram: number[];
  energy: { paper: Energy; lossless: Energy };
  /** What pruning did to the tiles. */
  forced?: number; loosened?: number; zeroed_tiles?: number;
}

/** What is behind the present phase of a run, for `Trainer.resume`: not read by the page. */
export interface Earlier { phases: object; trained: Uint8Array; }

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
export interface Simulation {
  images: number;
  accuracy: number | null; digital_accuracy: number | null; quantized_accuracy: number | null;
  conversions: number; saturated_conversions: number; mismatched_outputs: number; clipped_activations: number;
  /** Whether every output integer of every layer is the quantized network's. */
  exact: boolean;
  note: string | null;
  hardware: HardwareSpec;
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

/** A rejected call: one clear line, and the field it is about where there is one. */
export interface Failure { message: string; field?: string; }

/** A file's name and bytes, as dropped or fetched. */
export interface NamedBytes { name: string; bytes: Uint8Array; }

/** The wasm module's exports (pkg/cpu/crossdub.js and pkg/webgpu/crossdub.js, the same interface). Rejections are `Failure`. */
export interface Crossdub {
  /** Initializes the module; takes the .wasm URL by default. */
  default(input?: unknown): Promise<unknown>;
  version(): string;
  /** `cpu` or `webgpu`: what this module computes on. */
  backend(): string;
  /** What the authors' 69 published runs save, by every model. */
  published(): Published;
  /** Energy of a conversion of 1 to 16 bits, by every model. */
  converters(): Comparison;
  /** The page's defaults. */
  defaults(): { spec: RunSpec; hardware: HardwareSpec };
  /** The two specs with these flat fields applied and checked (plan included), or a thrown Failure. */
  apply(spec: RunSpec, hardware: HardwareSpec, fields: object): { spec: RunSpec; hardware: HardwareSpec };
  /** A gradient of a fixed small network on this module's device: compared once between the modules. */
  self_test(): Promise<Float32Array>;
  Trainer: {
    /** Data files only for `cifar10`; the built-in set is generated. */
    open(spec: RunSpec, hardware: HardwareSpec, files: NamedBytes[]): Promise<Trainer>;
    /** Goes on from `checkpoint()` bytes; the spec comes from the checkpoint. */
    resume(checkpoint: Uint8Array, hardware: HardwareSpec, files: NamedBytes[], earlier: Earlier | null): Promise<Trainer>;
  };
  Checkpoint: {
    /** Someone's safetensors or PyTorch file; `linear` takes its 2-D layers as well. */
    parse(name: string, bytes: Uint8Array, linear: boolean): Checkpoint;
  };
}

export interface Trainer {
  adapter(): string;
  /** How far the present phase is, before its first step as well. */
  position(): Position;
  /** One training step. */
  step(): Promise<Progress>;
  /** Accuracy on at most this many held-out images. Recorded in the history at the present step. */
  evaluate(images: number): Promise<Evaluation>;
  /** Accuracy on at most this many held-out images if pruned so, without doing it. */
  try_out(choice: PruneChoice, images: number): Promise<Evaluation>;
  /** Prunes, keeping what is zero at zero from here on; measures before and after on at most this many images. */
  prune(choice: PruneChoice, images: number): Promise<void>;
  /** Begins fine-tuning with the authors' settings but for these fields of RunSpec; steps then follow. */
  finetune(fields: object): Promise<void>;
  /** Back to the trained weights. */
  undo(): Promise<void>;
  /** What is behind the present phase, to be kept beside its checkpoint; null before pruning. */
  earlier(): Earlier | null;
  /** Takes up the present weights: what `view`, `tile` and `report` then speak of. */
  refresh(): Promise<void>;
  set_hardware(hardware: HardwareSpec): void;
  /** Recorded in the history. */
  view(choice: PruneChoice): View;
  tile(layer: number, tile: number, choice: PruneChoice): TileDetail;
  /** Energy of an inference, of the network pruned as previewed, or as it is once pruned. */
  inference(choice: PruneChoice): Inference;
  /** Puts that network on simulated crossbars of the present hardware. */
  open_proof(choice: PruneChoice): Promise<void>;
  /** Simulates so many more held-out images; the report on all so far. */
  advance_proof(images: number): Promise<Simulation>;
  /** One column of a simulated tile worked through by hand, at a window of a held-out image. */
  column_example(layer: number, tile: number, column: number, image: number, position: number): ColumnExample;
  /** What each tile's converters need, one line a tile, as CSV; of the same network. */
  adc_plan(choice: PruneChoice): string;
  /** Masks of the same network as safetensors: 0 where a weight is zero. */
  masks(choice: PruneChoice): Promise<Uint8Array>;
  report(): Report;
  checkpoint(): Promise<Uint8Array>;
  /** The weights as safetensors with PyTorch's names. */
  weights(): Promise<Uint8Array>;
  free(): void;
}

export interface Checkpoint {
  /** Whether it has 2-D layers beside its convolutions. */
  has_both(): boolean;
  set_hardware(hardware: HardwareSpec): void;
  inference(choice: PruneChoice): Inference;
  /** As of a `Trainer`, pruned as previewed. */
  adc_plan(choice: PruneChoice): string;
  masks(choice: PruneChoice): Uint8Array;
  /** The weights pruned as previewed, as safetensors; all other tensors as they were. */
  pruned(choice: PruneChoice): Uint8Array;
  view(choice: PruneChoice): View;
  tile(layer: number, tile: number, choice: PruneChoice): TileDetail;
  free(): void;
}
