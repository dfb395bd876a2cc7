/**
 * The objects that the Rust crate returns, as the page uses them. `generated.d.ts` holds their declarations, made from
 * the Rust types; a test keeps it current. Here are the page's names for them, and what a declaration can't say.
 */

import type * as Rust from './generated';

export type {
  AdcComparison,
  AdcCurve,
  Analysis,
  CheckpointAccount,
  ColumnTrace,
  Conversion,
  Evaluation,
  HardwareConfig,
  HistoryEntry,
  Inference,
  InferenceRow,
  LayerMap,
  Preview,
  Published,
  PublishedRun,
  SimulationReport,
  StageProgress,
  TrainConfig,
  View,
} from './generated';

export type Progress = Rust.InteractiveProgress;

/** The rules that the page offers. */
export type PruneSettings = Rust.PruneSettings & { rule: 'exact' | 'paper' | 'budget' | 'bit-planes' };

/** Weights and mask come as typed arrays; a mask holds 1 where the previewed pruning keeps the weight. */
export type TileDetail = Omit<Rust.TileDetail, 'values' | 'kept' | 'integers'> & {
  values: Float32Array;
  kept: Uint8Array;
  integers: Int16Array;
};

/** A stage of a run or a recipe, with what pruning did to the tiles. */
export type Stage = Rust.StageReport & Partial<Rust.PruneStats>;

/** What `crossdub.report()` resolves to. */
export type Report = Omit<Rust.RunReport, 'stages'> & { stages?: Stage[] };

/** What `report()` resolves to while a checkpoint is displayed: its analysis, and the rest from the waiting run, if any. */
export interface CheckpointReport extends Partial<Report> {
  checkpoint: string;
  hardware: Rust.HardwareConfig;
  analysis: Rust.Analysis;
}

/** The stages before the current one, for `Run.resume`; the page does not read them. */
export interface CompletedStages {
  stages: object;
  trained: Uint8Array;
}
