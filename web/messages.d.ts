/** What the worker tells the page, and the page's own state: see session.js. */

import type { Evaluation, Failure, HardwareSpec, HistoryEntry, Progress, Report, RunSpec, View } from './types';

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
  step: number;
  history: HistoryEntry[];
}

export type WorkerEvent =
  | { type: 'opened'; opened: Opened; fallback: string }
  | { type: 'progress'; progress: Progress }
  | { type: 'view'; view: View; step: number; dropped: boolean }
  | { type: 'evaluation'; evaluation: Evaluation; step: number }
  | { type: 'report'; report: Report }
  | { type: 'running'; running: boolean }
  | { type: 'busy'; what: string }
  | { type: 'webgpu'; webgpu: WebGpuState }
  | { type: 'failure'; failure: Failure };

/** A point of the charts: the run's history, and the preview strength that an improvement belongs to. */
export interface Point extends HistoryEntry { strength: number | null; }

/** The last run's checkpoint, kept in the browser. */
export interface Kept { bytes: Uint8Array; spec: RunSpec; hardware: HardwareSpec; step: number; when: number; }

/** A spec's fields side by side, as the URL and `crossdub.set` have them. */
export type Fields = Partial<RunSpec & HardwareSpec> & { strength?: number };

/** Colours of the charts, from the style sheet. */
export interface Theme {
  dark: boolean;
  ink: string; soft: string; line: string; ground: string;
  training: string; paper: string; lossless: string; positive: string; negative: string;
}
