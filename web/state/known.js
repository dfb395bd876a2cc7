/** What the page knows, and how the worker's events change it. */

import { DEFAULT_CHOICE, choiceWords, sameChoice } from './pruning.js';

/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {import('../types/messages').Point} Point */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {ReturnType<typeof blank>} State */

/** What the page shows. */
export function blank() {
  return {
    /** @type {RunSpec | null} */ spec: null,
    /** @type {HardwareSpec | null} */ hardware: null,
    /** @type {(RunSpec & HardwareSpec) | null} */ defaults: null,
    /** @type {PruneChoice} */ choice: DEFAULT_CHOICE,
    version: '',
    /** @type {import('../types/types').Comparison | null} */ converters: null,
    /** Energy of an inference, as last computed. @type {import('../types/types').Inference | null} */ inference:
      null,
    /** What was simulated of the present network on the present hardware. @type {import('../types/types').Simulation | null} */ proof:
      null,
    /** @type {import('../types/types').Published | null} */ published: null,
    /** @type {import('../types/messages').Opened | null} */ opened: null,
    running: false,
    busy: 'Loading the training module.',
    /** @type {import('../types/types').Progress | null} of the last step in this page */ progress: null,
    /** How far the present phase is. @type {import('../types/types').Position | null} */ position: null,
    /** @type {import('../types/types').View | null} */ view: null,
    /** @type {import('../types/types').Evaluation | null} */ evaluation: null,
    /** @type {Point[]} */ history: [],
    /** @type {import('../types/types').Report | null} the run's report, as last told */ report: null,
    /** @type {import('../types/types').Stage[]} what the run has been through */ stages: [],
    /** Accuracy of the previewed pruning, when measured. @type {import('../types/types').Evaluation | null} */ trial:
      null,
    /** @type {import('../types/messages').WebGpuState} */
    webgpu: { state: 'looking', adapter: '', software: false, why: '' },
    /** Name of the dropped checkpoint or report that is shown in place of the run. */
    dropped: '',
    /** The report, where one is shown. @type {import('../types/types').Report | null} */ shown: null,
    /** Whether its 2-D layers are taken as well, and whether they could be left. */
    linear: false,
    both: false,
  };
}

/** What an event of the worker changes. @param {State} state @param {WorkerEvent} event */
export function take(state, event) {
  if (event.type === 'opened') {
    const { opened } = event;
    const history = opened.history.map((entry) => ({ ...entry, pruning: null }));
    const { spec, hardware, stages, position } = opened;
    Object.assign(state, {
      opened,
      spec,
      hardware,
      history,
      position,
      progress: null,
      evaluation: null,
      report: null,
      stages,
      trial: null,
      inference: null,
      proof: null,
      dropped: '',
      shown: null,
      busy: '',
    });
  } else if (event.type === 'progress') {
    state.progress = event.progress;
    state.position = event.progress;
    state.busy = '';
    const { before, loss, regularizer } = event.progress;
    const step = before + event.progress.step;
    state.trial = null;
    state.proof = null;
    const empty = { accuracy: null, improvement_paper: null, improvement_lossless: null, pruning: null };
    state.history.push({ step, loss, regularizer, ...empty });
  } else if (event.type === 'view') {
    state.view = event.view;
    if (event.dropped) {
      // What was simulated is of the run, which is not what is shown.
      state.proof = null;
      return;
    }
    Object.assign(state, { dropped: '', shown: null });
    measured(state, event);
  } else if (event.type === 'evaluation') {
    state.evaluation = event.evaluation;
    const point = state.history.at(-1);
    if (point?.step === event.step) point.accuracy = event.evaluation.accuracy;
  } else if (event.type === 'report') {
    state.report = event.report;
    state.stages = event.report.stages ?? [];
  } else if (event.type === 'turn') {
    turned(state, event);
  } else if (event.type === 'choice') {
    choose(state, event.choice);
  } else if (event.type === 'inference') {
    state.inference = event.inference;
  } else if (event.type === 'proof') {
    state.proof = event.proof;
  } else if (event.type === 'trial') {
    const current =
      sameChoice(event.choice, state.choice) && event.step === (state.history.at(-1)?.step ?? 0);
    if (current) state.trial = event.evaluation;
  } else if (event.type === 'running') {
    state.running = event.running;
  } else if (event.type === 'busy') {
    state.busy = event.what;
  } else if (event.type === 'webgpu') {
    state.webgpu = event.webgpu;
  }
}

/** Whether levels and energies are of a pruning that is only previewed: a run not yet pruned, or someone's checkpoint. @param {State} state */
export function isPreviewed({ dropped, shown, stages }) {
  return shown === null && (dropped !== '' || (stages.at(-1)?.kind ?? 'train') === 'train');
}

/** Another pruning is previewed: what was measured of the one before is out of date. @param {State} state @param {PruneChoice} choice */
export function choose(state, choice) {
  if (!sameChoice(choice, state.choice)) Object.assign(state, { trial: null, proof: null });
  state.choice = choice;
}

/** Steps over all phases. @param {State} state */
export function stepsTaken({ position }) {
  return position === null ? 0 : position.before + position.step;
}

/** Another phase: what was drawn of the steps before stays as far as they do. @param {State} state @param {Extract<WorkerEvent, { type: 'turn' }>} event */
function turned(state, { report, position }) {
  const pruning = new Map(state.history.map((point) => [point.step, point.pruning]));
  const history = report.training.history.map((entry) => ({
    ...entry,
    pruning: pruning.get(entry.step) ?? null,
  }));
  Object.assign(state, {
    report,
    history,
    stages: report.stages ?? [],
    position,
    progress: null,
    trial: null,
    inference: null,
    proof: null,
  });
}

/** @param {State} state @param {Extract<WorkerEvent, { type: 'view' }>} event */
function measured(state, { view, choice, step }) {
  const point = state.history.at(-1);
  if (point?.step !== step) return;
  const { energy } = view.preview;
  const pruned = state.stages.some((stage) => stage.kind === 'prune');
  point.improvement_paper = energy.paper.improvement;
  point.improvement_lossless = energy.lossless.improvement;
  point.pruning = pruned ? 'pruned' : choiceWords(choice);
}
