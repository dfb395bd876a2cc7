/**
 * The interface of the wasm modules: crossdub.js in pkg/cpu, pkg/cpu-relaxed and pkg/webgpu, which
 * train, and in pkg/onnx, which reads ONNX. See crate/src/web/.
 */

import type {
  CheckpointAccount,
  AdcComparison,
  CompletedStages,
  ColumnTrace,
  Evaluation,
  HardwareConfig,
  Inference,
  Progress,
  PruneSettings,
  Published,
  Report,
  SimulationReport,
  StageProgress,
  TileDetail,
  TrainConfig,
  View,
} from './types';

/** What to take from a checkpoint. */
export interface CheckpointOptions { linear: boolean; network?: string | null; }

/** A file's name and bytes, as opened or fetched. */
export interface NamedBytes { name: string; bytes: Uint8Array; }

/** Everything that `crossdub.set` and the URL can change. */
export interface Settings { spec: TrainConfig; hardware: HardwareConfig; pruning: PruneSettings; }

export interface Range { min: number; max: number; }

/** Defaults of all fields, the names that fields choose from, and ranges for sliders. */
export interface Schema {
  defaults: Settings;
  options: { model: string[]; regularizer: TrainConfig['regularizer'][]; rule: PruneSettings['rule'][] };
  ranges: { strength: Range; target: Range };
}

/** Exports of a module. Calls reject or throw with a `Failure`. */
export interface WasmModule {
  /** Initializes the module; takes the .wasm URL by default. */
  default(input?: unknown): Promise<unknown>;
  version(): string;
  /** The device of this module: `cpu` or `webgpu`. */
  backend(): string;
  schema(): Schema;
  /** The settings with these flat fields applied and checked. */
  apply_fields(settings: Settings, fields: object): Settings;
  /** The settings with the valid ones of these fields applied; `ignored` names the others. */
  apply_valid_fields(settings: Settings, fields: object): Settings & { ignored: string[] };
  /** Pruning settings with these fields applied and checked. */
  apply_prune_fields(pruning: PruneSettings, fields: object): PruneSettings;
  /** The authors' 69 published runs and their improvement by every ADC model. */
  published(): Published;
  /** Energy of one conversion of 1 to 16 bits, by every ADC model. */
  converters(): AdcComparison;
  /** What a file is, by its path and first bytes. */
  kind_of_file(path: string, head: Uint8Array): 'picture' | 'labels' | 'cifar' | 'archive' | 'onnx' | 'other';
  /**
   * Pictures and files of labels in an archive, no files if it has no picture; the paths of its other files, and
   * whether they are CIFAR's.
   */
  unpack_pictures(name: string, bytes: Uint8Array): { files: NamedBytes[]; others: string[]; cifar: boolean };
  /** Anything unusual about pictures in folders, a sentence each. Only files of labels need their bytes. */
  picture_notes(files: NamedBytes[]): string[];
  /** A gradient of a fixed small network on this module's device, to compare between the modules. */
  self_test(): Promise<Float32Array>;
  Run: {
    /** `files` for data that is not generated. Pictures come as planes of 32 x 32 bytes. */
    open(spec: TrainConfig, hardware: HardwareConfig, files: NamedBytes[]): Promise<WasmRun>;
    /** Continues from `checkpoint()` bytes, which contain the spec. */
    resume(
      checkpoint: Uint8Array,
      hardware: HardwareConfig,
      files: NamedBytes[],
      completed: CompletedStages | null,
    ): Promise<WasmRun>;
  };
  Checkpoint: {
    /**
     * Reads a checkpoint: one file, or shards with their index. `linear` takes its fully connected layers too, and
     * `network` one of several networks.
     */
    open(files: NamedBytes[], options: CheckpointOptions): WasmCheckpoint;
    /** From layers that the ONNX module has read, and their output positions, if known. */
    from_layers(layers: WasmLayer[], account: CheckpointAccount, positions: number[] | null): WasmCheckpoint;
  };
}

export interface WasmRun {
  /** Name of the processor or graphics adapter. */
  adapter(): string;
  /** Names of the classes, by label. */
  classes(): string[];
  /** How many images each class has, and the planes of the first of them. */
  class_pictures(previews: number): { name: string; count: number; previews: Uint8Array[] }[];
  /** Progress of the current stage. */
  progress(): StageProgress;
  /** One training step. */
  step(): Promise<Progress>;
  /**
   * From here on this run is number `rank` of `count` replicas that share each batch. `exchange` takes this one's values,
   * none if it had no images, and resolves to the sum over all; a count of 1 ends that.
   */
  share_batches(rank: number, count: number, exchange: (values: Float32Array) => Promise<Float32Array>): void;
  /** Accuracy on at most this many held-out images; recorded in the history. */
  evaluate(images: number): Promise<Evaluation>;
  /** Accuracy on at most this many held-out images after pruning a copy. */
  evaluate_pruned(pruning: PruneSettings, images: number): Promise<Evaluation>;
  /** Prunes, and measures accuracy before and after; zeros stay zero from then on. */
  prune(pruning: PruneSettings, images: number): Promise<void>;
  /** Begins fine-tuning with the authors' settings, changed by these fields of TrainConfig. */
  finetune(fields: object): Promise<void>;
  /** Returns to the trained weights. */
  undo(): Promise<void>;
  /** The stages before the current one, to store beside a checkpoint; null before pruning. */
  completed_stages(): CompletedStages | null;
  /** Loads the current weights from the device, for `view`, `tile` and `report`. */
  sync_weights(): Promise<void>;
  set_hardware(hardware: HardwareConfig): void;
  /** Recorded in the history. */
  view(pruning: PruneSettings): View;
  tile(layer: number, tile: number, pruning: PruneSettings): TileDetail;
  /** Energy of an inference of the pruned network, or of the previewed pruning before that. */
  inference(pruning: PruneSettings): Inference;
  /** The ADC bits that each tile of the same network needs, as CSV. */
  adc_plan(pruning: PruneSettings): string;
  /** Masks of the same network as safetensors: 0 where a weight is zero. */
  masks(pruning: PruneSettings): Promise<Uint8Array>;
  /** Maps the same network to simulated crossbars. */
  start_simulation(pruning: PruneSettings): Promise<void>;
  /** Simulates the next `images` held-out images; reports on all simulated so far. */
  simulate_next(images: number): Promise<SimulationReport>;
  /** One column of a simulated tile, conversion by conversion, at one window of a held-out image. */
  trace_column(layer: number, tile: number, column: number, image: number, position: number): ColumnTrace;
  report(): Report;
  checkpoint(): Promise<Uint8Array>;
  /** The weights as safetensors with PyTorch's names. */
  weights(): Promise<Uint8Array>;
  free(): void;
}

export interface WasmCheckpoint {
  /** Whether it has both convolutions and 2-D layers. */
  linear_is_optional(): boolean;
  /** What was taken and what was left out. */
  account(): CheckpointAccount;
  set_hardware(hardware: HardwareConfig): void;
  view(pruning: PruneSettings): View;
  tile(layer: number, tile: number, pruning: PruneSettings): TileDetail;
  inference(pruning: PruneSettings): Inference;
  adc_plan(pruning: PruneSettings): string;
  masks(pruning: PruneSettings): Uint8Array;
  /** The layers after the previewed pruning, for the ONNX module. */
  pruned_layers(pruning: PruneSettings): WasmLayer[];
  /** The weights after the previewed pruning as safetensors, and all other tensors unchanged. */
  pruned_weights(pruning: PruneSettings): Uint8Array;
  free(): void;
}

/** A layer's matrix, as one module hands it to another. */
export interface WasmLayer {
  name: string;
  rows: number;
  cols: number;
  groups: number;
  /** What the integers of a quantized layer are multiplied with; null if it is none. */
  steps: Float32Array | null;
  data: Float32Array;
}

/** Exports of the module that reads ONNX. Calls throw a `Failure`. */
export interface WasmOnnxModule {
  /** Initializes the module; takes the .wasm URL by default. */
  default(input?: unknown): Promise<unknown>;
  OnnxFile: {
    /**
     * Reads a model. `read` gives the bytes of a file beside it, by its path from the model's folder, or null.
     * `input_shape` gives sizes that the model leaves open, such as `1x3x224x224` or `NAME=1x128`.
     */
    open(
      name: string,
      bytes: Uint8Array,
      read: (location: string) => Uint8Array | null,
      options: { input_shape?: string[] },
    ): WasmOnnxFile;
  };
}

export interface WasmOnnxFile {
  /** Whether it has both convolutions and fully connected layers. */
  linear_is_optional(): boolean;
  /** What was taken and what was left out. */
  account(linear: boolean): CheckpointAccount;
  /** Convolutions, and with `linear` fully connected layers. */
  layers(linear: boolean): WasmLayer[];
  /** How often each of these layers is used in an inference; null if one is not known. */
  positions(linear: boolean): number[] | null;
  /** The model with other weights, and the files beside it that hold weights. */
  with_layers(layers: WasmLayer[]): NamedBytes[];
  /** Masks of these layers as safetensors: 0 where a weight is zero. */
  masks(layers: WasmLayer[]): Uint8Array;
  free(): void;
}
