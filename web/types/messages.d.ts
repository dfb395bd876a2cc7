/** What the worker tells the page, and the page's own state: see session.js. */

import type { Earlier, Evaluation, Failure, HardwareSpec, HistoryEntry, Inference, Position, Progress, PruneChoice, Report, RunSpec, Simulation, Stage, View } from './types';

/** How far WebGPU is: no adapter at all, the module not served (yet), being loaded, usable, or given up. */
export interface WebGpuState {
  state: 'looking' | 'none' | 'absent' | 'loading' | 'ready' | 'failed';
  adapter: string;
  /** A software adapter: works, but slower than the CPU module. */
  software: boolean;
  why: string;
}

/** The run that the worker holds. */
export interface Opened {
  spec: RunSpec;
  hardware: HardwareSpec;
  /** What computes: `cpu` or `webgpu`, and its name. */
  device: 'cpu' | 'webgpu';
  adapter: string;
  position: Position;
  history: HistoryEntry[];
  stages: Stage[];
}

export type WorkerEvent =
  | { type: 'opened'; opened: Opened; fallback: string }
  | { type: 'progress'; progress: Progress }
  | { type: 'view'; view: View; choice: PruneChoice; step: number; dropped: boolean }
  | { type: 'evaluation'; evaluation: Evaluation; step: number }
  | { type: 'report'; report: Report }
  | { type: 'trial'; choice: PruneChoice; evaluation: Evaluation; step: number }
  | { type: 'turn'; report: Report; position: Position }
  /** The chosen pruning can't be had of the present weights: this one is previewed. */
  | { type: 'choice'; choice: PruneChoice; why: string }
  | { type: 'inference'; inference: Inference }
  | { type: 'proof'; proof: Simulation; wanted: number }
  | { type: 'running'; running: boolean }
  | { type: 'busy'; what: string }
  | { type: 'webgpu'; webgpu: WebGpuState }
  | { type: 'failure'; failure: Failure };

/** A point of the charts: the run's history, and the pruning that an improvement belongs to, in words. */
export interface Point extends HistoryEntry { pruning: string | null; }

/** A checkpoint, and the phases behind it, as the module takes them back. */
export interface Saved { bytes: Uint8Array; earlier: Earlier | null; }

/** The last run's checkpoint, kept in the browser. */
export interface Kept extends Saved { spec: RunSpec; hardware: HardwareSpec; step: number; when: number; }

/** A spec's fields side by side, as the URL and `crossdub.set` have them. */
export type Fields = Partial<RunSpec & HardwareSpec & PruneChoice>;

/** Colours of the charts, from the style sheet. */
export interface Theme {
  dark: boolean;
  ink: string; soft: string; line: string; ground: string;
  training: string; paper: string; lossless: string; positive: string; negative: string;
}

/** A run as the browser keeps it. */
export interface KeptRun { id: string; name: string; when: number; report: Report; }

/** A run to compare with: where it is from, and the colour and dash it is drawn with, if it is. */
export interface ComparedRun extends KeptRun { source: 'kept' | 'recorded' | 'file'; slot: number | null; }

/** One curve drawn behind the present run's. */
export interface OtherCurve { name: string; colour: string; dash: string; history: HistoryEntry[]; }

/** What files turned out to be; reports come back, with their files' names; `linear` when 2-D layers were taken, `both` when they could be left; `shown` is the report's name that is shown in place of the run. */
export interface Loaded { kind: 'data' | 'checkpoint' | 'report'; reports: { name: string; report: Report }[]; linear: boolean; both: boolean; shown: string | null; }
