/** The page's state: one immutable object, changed only by events. */

import { pruningLabel, samePruning } from './pruning.js';

/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../types/messages').PageEvent} PageEvent */
/** @typedef {import('../types/messages').Point} Point */

/** @type {State} */
export const initialState = {
  version: '',
  schema: null,
  published: null,
  converters: null,
  spec: null,
  hardware: null,
  pruning: null,
  pruningNotice: null,
  run: null,
  running: false,
  simulating: false,
  busy: 'Loading the training module.',
  webgpu: { state: 'looking', adapter: '', software: false, reason: '' },
  lastStep: null,
  progress: null,
  history: [],
  stages: [],
  report: null,
  evaluation: null,
  previewEvaluation: null,
  view: null,
  file: null,
  inference: null,
  simulation: null,
  classes: [],
  pictures: null,
  runs: [],
  error: null,
};

/**
 * The changes that each event makes.
 * @type {{ [T in PageEvent['type']]: (state: State, event: Extract<PageEvent, { type: T }>) => Partial<State> }}
 */
const changes = {
  connected: (_, { version, schema, published, converters }) => {
    const { spec, hardware, pruning } = schema.defaults;
    return { version, schema, published, converters, spec, hardware, pruning };
  },
  configured: (state, { spec, hardware, pruning }) => ({
    ...withPruning(state, pruning),
    ...(isEqual(hardware, state.hardware) ? {} : { hardware, simulation: null, previewEvaluation: null }),
    ...(isEqual(spec, state.spec) ? {} : { spec }),
  }),
  'run-opened': (_, { spec, hardware, run, progress, history, stages, classes }) => ({
    spec,
    classes,
    hardware,
    run,
    progress,
    history: history.map((entry) => ({ ...entry, pruning: null })),
    stages,
    lastStep: null,
    evaluation: null,
    previewEvaluation: null,
    report: null,
    inference: null,
    simulation: null,
    file: null,
    busy: '',
  }),
  progress: (state, { progress }) => {
    const { before, step, loss, regularizer } = progress;
    const unmeasured = { accuracy: null, improvement_paper: null, improvement_lossless: null, pruning: null };
    return {
      lastStep: progress,
      progress,
      busy: '',
      previewEvaluation: null,
      simulation: null,
      history: [...state.history, { step: before + step, loss, regularizer, ...unmeasured }],
    };
  },
  workers: ({ run }, { workers, reason }) => (run ? { run: { ...run, workers, workersReason: reason } } : {}),
  view: (state, event) => {
    const { view, file } = event;
    // A simulation belongs to the run, which is not displayed then.
    if (file) return { view, file: file.id === state.file?.id ? state.file : file, simulation: null };
    return { view, file: null, history: withImprovement(state, event) };
  },
  evaluation: (state, { evaluation, step }) => ({
    evaluation,
    history: withLastPoint(state.history, step, { accuracy: evaluation.accuracy }),
  }),
  report: (_, { report }) => ({ report, stages: report.stages ?? [] }),
  'preview-evaluation': (state, { pruning, hardware, evaluation, step }) => {
    const isCurrent =
      samePruning(pruning, state.pruning) &&
      isEqual(hardware, state.hardware) &&
      step === (state.history.at(-1)?.step ?? 0);
    return isCurrent ? { previewEvaluation: evaluation } : {};
  },
  'stage-changed': (state, { report, progress }) => {
    const labels = new Map(state.history.map((point) => [point.step, point.pruning]));
    return {
      report,
      progress,
      history: report.training.history.map((entry) => ({
        ...entry,
        pruning: labels.get(entry.step) ?? null,
      })),
      stages: report.stages ?? [],
      lastStep: null,
      previewEvaluation: null,
      inference: null,
      simulation: null,
    };
  },
  'pruning-replaced': (state, { pruning, reason }) => ({
    ...withPruning(state, pruning),
    pruningNotice: { pruning, reason },
  }),
  inference: (_, { inference }) => ({ inference }),
  simulation: (_, { simulation }) => ({ simulation }),
  simulating: (_, { simulating }) => ({ simulating }),
  pictures: (_, { pictures }) => ({ pictures }),
  running: (_, { running }) => ({ running }),
  busy: (_, { text }) => ({ busy: text }),
  webgpu: (_, { webgpu }) => ({ webgpu }),
  failed: (_, { failure }) => ({ error: failure }),
  succeeded: () => ({ error: null }),
  runs: (_, { runs }) => ({ runs }),
};

/**
 * The state after an event.
 * @param {State} state
 * @param {PageEvent} event
 * @returns {State}
 */
export function reduce(state, event) {
  const change = /** @type {(state: State, event: PageEvent) => Partial<State>} */ (changes[event.type]);
  return { ...state, ...change(state, event) };
}

/** @typedef {ReturnType<typeof createStore>} Store */

/** A store: its state changes only by `dispatch`. */
export function createStore(initial = initialState) {
  /** @type {State} */
  let state = initial;
  /** @type {Set<() => void>} */
  const subscriptions = new Set();
  /** @type {Set<(event: PageEvent) => void>} */
  const listeners = new Set();

  return {
    getState: () => state,

    /** @param {PageEvent} event */
    dispatch(event) {
      state = reduce(state, event);
      for (const listener of listeners) listener(event);
      for (const notify of subscriptions) notify();
    },

    /**
     * Calls the listener when the selected value has changed; of an array, when one of its items has.
     * @template T
     * @param {(state: State) => T} selector
     * @param {(selected: T) => void} listener
     * @returns {() => void} unsubscribes
     */
    subscribe(selector, listener) {
      let selected = selector(state);
      const notify = () => {
        const now = selector(state);
        if (isSame(now, selected)) return;
        selected = now;
        listener(now);
      };
      subscriptions.add(notify);
      return () => void subscriptions.delete(notify);
    },

    /**
     * Calls the listener after every event.
     * @param {(event: PageEvent) => void} listener
     */
    onEvent(listener) {
      listeners.add(listener);
    },
  };
}

/** @param {unknown} a @param {unknown} b */
function isSame(a, b) {
  if (!Array.isArray(a) || !Array.isArray(b)) return Object.is(a, b);
  return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
}

/** @param {unknown} a @param {unknown} b */
function isEqual(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * Other pruning settings invalidate what was measured with the previous ones.
 * @param {State} state
 * @param {import('../types/types').PruneSettings} pruning
 * @returns {Partial<State>}
 */
function withPruning(state, pruning) {
  const notice = samePruning(pruning, state.pruningNotice?.pruning ?? null) ? state.pruningNotice : null;
  if (isEqual(pruning, state.pruning)) return { pruningNotice: notice };
  const measured = samePruning(pruning, state.pruning) ? {} : { previewEvaluation: null, simulation: null };
  return { pruning, pruningNotice: notice, ...measured };
}

/**
 * The history with the improvement that a view of the run measured.
 * @param {State} state
 * @param {Extract<PageEvent, { type: 'view' }>} event
 */
function withImprovement({ history, stages }, { view, pruning, step }) {
  const { paper, lossless } = view.preview.energy;
  const isPruned = stages.some((stage) => stage.kind === 'prune');
  return withLastPoint(history, step, {
    improvement_paper: paper.improvement,
    improvement_lossless: lossless.improvement,
    pruning: isPruned ? 'pruned' : pruningLabel(pruning),
  });
}

/**
 * The history with its last point changed, if that is at this step.
 * @param {Point[]} history
 * @param {number} step
 * @param {Partial<Point>} values
 */
function withLastPoint(history, step, values) {
  const last = history.at(-1);
  return last?.step === step ? [...history.slice(0, -1), { ...last, ...values }] : history;
}
