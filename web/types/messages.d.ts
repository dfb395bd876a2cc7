/** The page's own shapes: messages between page and worker, the page's state, runs to compare, themes. */

import type {
  CheckpointAccount,
  AdcComparison,
  CompletedStages,
  Evaluation,
  HardwareConfig,
  HistoryEntry,
  Inference,
  Progress,
  PruneSettings,
  Published,
  Report,
  CheckpointReport,
  SimulationReport,
  Stage,
  StageProgress,
  TileDetail,
  TrainConfig,
  View,
} from './types';
import type { Schema, Settings } from './wasm';

/** Codes of the Rust errors, and of the page's own. Programs decide by code, never by the message. */
export type FailureCode =
  | 'file' | 'layer' | 'no-layers' | 'invalid-field' | 'invalid-state' | 'diverged' | 'device' | 'operation'
  /** A call received an invalid argument. */
  | 'invalid-argument'
  /** A panic, or an error that the browser threw. */
  | 'internal';

/** A rejected call: a code, a one-line message, and the field that it is about, if any. */
export interface Failure { code: FailureCode; message: string; field?: string; }

export type Device = 'cpu' | 'webgpu';

/** State of WebGPU: no adapter, module not served (yet), loading, usable, or failed. */
export interface WebGpuState {
  state: 'looking' | 'none' | 'absent' | 'loading' | 'ready' | 'failed';
  adapter: string;
  /** A software adapter, slower than the CPU module. */
  software: boolean;
  reason: string;
}

/** What this page reads of a `GPUAdapter`. */
export interface GpuAdapter {
  info?: { vendor?: string; architecture?: string; description?: string; isFallbackAdapter?: boolean };
  isFallbackAdapter?: boolean;
}

/**
 * The device of the current run; `fallback` says why it is not the requested one. `workers` train it: several share each
 * batch on the CPU; `workersReason` says why they are fewer than before.
 */
export interface RunDevice { device: Device; adapter: string; fallback: string; workers: number; workersReason: string; }

/** A checkpoint or report that is displayed instead of the run. */
export interface OpenedFile {
  /** Distinguishes two files of the same name. */
  id: number;
  kind: 'checkpoint' | 'report';
  name: string;
  /** Whether 2-D layers are included, and whether they can be left out. */
  linear: boolean;
  linearIsOptional: boolean;
  /** What was taken from a checkpoint; null for a report. */
  account: CheckpointAccount | null;
  /** Stages of a report. */
  stages: Stage[];
}

/** What the weights are needed for. */
export interface WeightAccess {
  tile(layer: number, tile: number, pruning: PruneSettings): TileDetail;
  adcPlan(pruning: PruneSettings): string;
  masks(pruning: PruneSettings): Promise<Uint8Array> | Uint8Array;
  /** As safetensors; of a checkpoint after the previewed pruning; of an ONNX model as ONNX. */
  export(pruning: PruneSettings): Promise<Uint8Array> | Uint8Array;
}

/** Something that the page can display: the run, a checkpoint or ONNX model, or a report file. */
export interface Viewable {
  /** Null for the run. */
  readonly file: OpenedFile | null;
  readonly hardware: HardwareConfig;
  /** Null if there are no weights. */
  readonly weights: WeightAccess | null;
  /** Why it can't be simulated; empty for the run. */
  readonly noNetworkReason: string;
  view(pruning: PruneSettings): View | Promise<View>;
  inference(pruning: PruneSettings): Inference | null;
  report(pruning: PruneSettings, run: Report | null): Report | CheckpointReport | Promise<Report>;
  /** Whether it can be mapped to this hardware. */
  supports(hardware: HardwareConfig): boolean;
  setHardware(hardware: HardwareConfig): void;
  close(): void;
}

export type WorkerEvent =
  | {
      type: 'run-opened';
      spec: TrainConfig;
      hardware: HardwareConfig;
      run: RunDevice;
      progress: StageProgress;
      history: HistoryEntry[];
      stages: Stage[];
      classes: string[];
    }
  | { type: 'pictures'; pictures: Pictures }
  | { type: 'progress'; progress: Progress }
  | { type: 'view'; view: View; pruning: PruneSettings; step: number; file: OpenedFile | null }
  | { type: 'evaluation'; evaluation: Evaluation; step: number }
  | { type: 'report'; report: Report }
  | {
      type: 'preview-evaluation';
      pruning: PruneSettings;
      hardware: HardwareConfig;
      evaluation: Evaluation;
      step: number;
    }
  | { type: 'stage-changed'; report: Report; progress: StageProgress }
  /** The current weights can't be pruned as set; these settings are previewed instead. */
  | { type: 'pruning-replaced'; pruning: PruneSettings; reason: string }
  | { type: 'inference'; inference: Inference }
  | { type: 'simulation'; simulation: SimulationReport }
  /** Whether a simulation is being run. */
  | { type: 'simulating'; simulating: boolean }
  | { type: 'running'; running: boolean }
  /** How many workers train the run from here on, and why. */
  | { type: 'workers'; workers: number; reason: string }
  | { type: 'busy'; text: string }
  | { type: 'webgpu'; webgpu: WebGpuState }
  | { type: 'failed'; failure: Failure };

export type PageEvent =
  | WorkerEvent
  | { type: 'connected'; version: string; schema: Schema; published: Published; converters: AdcComparison }
  | ({ type: 'configured' } & Settings)
  | { type: 'succeeded' }
  | { type: 'runs'; runs: ComparedRun[] };

/** Everything that the page displays. */
export interface State {
  version: string;
  schema: Schema | null;
  published: Published | null;
  converters: AdcComparison | null;
  spec: TrainConfig | null;
  hardware: HardwareConfig | null;
  pruning: PruneSettings | null;
  /** Set while other pruning settings are previewed than those asked for. */
  pruningNotice: { pruning: PruneSettings; reason: string } | null;
  run: RunDevice | null;
  running: boolean;
  simulating: boolean;
  /** What the worker is doing, if it takes a while. */
  busy: string;
  webgpu: WebGpuState;
  /** The last step taken in this page. */
  lastStep: Progress | null;
  progress: StageProgress | null;
  history: Point[];
  stages: Stage[];
  report: Report | null;
  evaluation: Evaluation | null;
  /** Accuracy after the previewed pruning, if measured. */
  previewEvaluation: Evaluation | null;
  view: View | null;
  /** The file that is displayed instead of the run. */
  file: OpenedFile | null;
  inference: Inference | null;
  simulation: SimulationReport | null;
  /** Names of the run's classes, by label. */
  classes: string[];
  /** One's own pictures, if any were opened. */
  pictures: Pictures | null;
  /** Runs to compare with. */
  runs: ComparedRun[];
  /** The last error, until a later call succeeds. */
  error: Failure | null;
}

/** A point of the charts: an entry of the history, and the pruning that its improvement belongs to. */
export interface Point extends HistoryEntry { pruning: string | null; }

/** A checkpoint and the stages before it. */
export interface Saved { bytes: Uint8Array; completed: CompletedStages | null; }

/** The last run, as saved in the browser. */
export interface SavedRun extends Saved { spec: TrainConfig; hardware: HardwareConfig; step: number; when: number; }

/** The flat fields of `crossdub.set` and the URL. */
export type Fields = Partial<TrainConfig & HardwareConfig & PruneSettings>;

/** A class of one's own pictures: how many there are, and the planes of the first. */
export interface PictureClass { name: string; count: number; previews: Uint8Array[]; }

/** One's own pictures, the paths of those that can't be read, and what was noticed about the others. */
export interface Pictures { classes: PictureClass[]; unreadable: string[]; notes: string[]; }

/** How `crossdub.load` opens files. */
export interface LoadOptions {
  /** Whether fully connected layers of a checkpoint or model are taken too. */
  linear?: boolean;
  /** One of several networks of a checkpoint. */
  network?: string | null;
  /** Sizes of an input that an ONNX model leaves open: `1x3x224x224`, or `NAME=1x128` for each of several. */
  input_shape?: string | string[];
  /** Where each file lies in its folder. */
  paths?: string[];
}

/** The files opened together; reports are returned with their file names. */
export interface Loaded { kind: 'data' | 'pictures' | 'checkpoint' | 'report'; reports: { name: string; report: Report }[]; }

/** Colours of the charts, from the style sheet. */
export interface Theme {
  dark: boolean;
  ink: string; soft: string; line: string; ground: string;
  training: string; paper: string; lossless: string; positive: string; negative: string;
}

/** A run kept in the browser. */
export interface KeptRun { id: string; name: string; when: number; report: Report; }

/** A run to compare with; `slot` is its place among the line styles while it is drawn. */
export interface ComparedRun extends KeptRun { source: 'kept' | 'recorded' | 'file'; slot: number | null; }

/** The curve of another run, drawn behind the current one. */
export interface OtherCurve { name: string; colour: string; dash: string; history: HistoryEntry[]; }
