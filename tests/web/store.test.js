import { describe, expect, test, vi } from 'vitest';

import { isPreview, prunedAt, totalSteps } from '../../web/state/selectors.js';
import { createStore, initialState, reduce } from '../../web/state/store.js';
import { DEFAULTS } from './settings.js';

/** @typedef {import('../../web/types/messages').State} State */
/** @typedef {import('../../web/types/messages').PageEvent} PageEvent */

const energy = {
  paper: { dense: 6, actual: 3, improvement: 2 },
  lossless: { dense: 6, actual: 4, improvement: 1.5 },
};
/** Only what the reducer reads. */
const view = /** @type {import('../../web/types/types').View} */ (
  /** @type {unknown} */ ({ preview: { energy } })
);
const simulation = /** @type {import('../../web/types/types').SimulationReport} */ (
  /** @type {unknown} */ ({ images: 1 })
);
const evaluation = { accuracy: 50, top5: 90, loss: 1, images: 100 };
/** @type {import('../../web/types/messages').OpenedFile} */
const file = {
  id: 1,
  kind: 'checkpoint',
  name: 'a.pth',
  linear: false,
  linearIsOptional: false,
  account: null,
  stages: [],
};

/** @param {number} step @param {number} [before] */
function stepEvent(step, before = 0) {
  const progress = {
    before,
    step,
    steps_per_epoch: 10,
    total_steps: 100,
    finished: false,
    epoch: 0,
    loss: 2,
    regularizer: 0.1,
    batch_accuracy: 10,
    learning_rate: 0.05,
    images_per_second: null,
    seconds_left: null,
    data_wait_percent: null,
  };
  return /** @type {PageEvent} */ ({ type: 'progress', progress });
}

/** @param {...PageEvent} events */
function after(...events) {
  /** @type {PageEvent} */
  const configured = { type: 'configured', ...DEFAULTS };
  return [configured, ...events].reduce(reduce, initialState);
}

describe('reduce', () => {
  test('returns a new state and leaves the old one unchanged', () => {
    const state = after(stepEvent(1));
    const copy = structuredClone(state);
    const next = reduce(state, { type: 'evaluation', evaluation, step: 1 });
    expect(state).toEqual(copy);
    expect(next).not.toBe(state);
    expect(next.history).toEqual([{ ...state.history[0], accuracy: 50 }]);
  });

  test('keeps parts that an event does not change', () => {
    const state = after(stepEvent(1));
    const next = reduce(state, { type: 'configured', ...structuredClone(DEFAULTS) });
    expect([next.spec, next.hardware, next.pruning]).toEqual([state.spec, state.hardware, state.pruning]);
    expect(next.spec).toBe(state.spec);
    expect(next.hardware).toBe(state.hardware);
    expect(next.pruning).toBe(state.pruning);
  });

  test('counts steps over all stages', () => {
    const state = after(stepEvent(1), stepEvent(2), stepEvent(1, 2));
    expect(state.history.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(totalSteps(state)).toBe(3);
  });

  test('records the improvement at the step that was displayed', () => {
    const events = /** @type {PageEvent[]} */ ([
      stepEvent(1),
      { type: 'view', view, pruning: DEFAULTS.pruning, step: 1, file: null },
      stepEvent(2),
      { type: 'view', view, pruning: DEFAULTS.pruning, step: 1, file: null },
    ]);
    const { history } = after(...events);
    expect(history.map((point) => [point.improvement_paper, point.pruning])).toEqual([
      [2, '90 %'],
      [null, null],
    ]);
  });

  test('discards measurements when the pruning changes', () => {
    const { pruning } = DEFAULTS;
    const state = after(
      stepEvent(1),
      { type: 'preview-evaluation', pruning, hardware: DEFAULTS.hardware, evaluation, step: 1 },
      { type: 'simulation', simulation },
    );
    expect(state).toMatchObject({ previewEvaluation: evaluation, simulation });
    const unused = reduce(state, { type: 'configured', ...DEFAULTS, pruning: { ...pruning, target: 5 } });
    expect(unused).toMatchObject({ previewEvaluation: evaluation, simulation });
    const other = reduce(state, { type: 'configured', ...DEFAULTS, pruning: { ...pruning, strength: 80 } });
    expect(other).toMatchObject({ previewEvaluation: null, simulation: null });
  });

  test('discards measurements when the hardware changes', () => {
    const { pruning } = DEFAULTS;
    const measured = /** @type {const} */ ({ type: 'preview-evaluation', pruning, evaluation, step: 1 });
    const own = { ...measured, hardware: DEFAULTS.hardware };
    const state = after(stepEvent(1), own, { type: 'simulation', simulation });
    expect(state.previewEvaluation).toBe(evaluation);
    const hardware = { ...DEFAULTS.hardware, tile: 64 };
    const changed = reduce(state, { type: 'configured', ...DEFAULTS, hardware });
    expect(changed).toMatchObject({ simulation: null, previewEvaluation: null });
    // One that was under way meanwhile.
    expect(reduce(changed, own).previewEvaluation).toBeNull();
    expect(reduce(changed, { ...measured, hardware }).previewEvaluation).toBe(evaluation);
  });

  test('ignores the accuracy of another preview', () => {
    const pruning = { ...DEFAULTS.pruning, strength: 50 };
    const { hardware } = DEFAULTS;
    const other = after({ type: 'preview-evaluation', pruning, hardware, evaluation, step: 0 });
    expect(other.previewEvaluation).toBeNull();
  });

  test('keeps the notice of replaced pruning until other settings are chosen', () => {
    const { pruning } = DEFAULTS;
    const state = after({ type: 'pruning-replaced', pruning, reason: 'why' });
    expect(reduce(state, { type: 'configured', ...DEFAULTS }).pruningNotice).toEqual({
      pruning,
      reason: 'why',
    });
    const other = { ...pruning, strength: 10 };
    expect(reduce(state, { type: 'configured', ...DEFAULTS, pruning: other }).pruningNotice).toBeNull();
  });

  test('displays a file until the run is displayed again', () => {
    const { pruning } = DEFAULTS;
    const opened = after({ type: 'view', view, pruning, step: 0, file });
    expect(isPreview(opened)).toBe(true);
    const again = reduce(opened, { type: 'view', view, pruning, step: 0, file: { ...file } });
    expect(again.file).toBe(opened.file);
    expect(reduce(again, { type: 'view', view, pruning, step: 0, file: null }).file).toBeNull();
  });

  test('keeps an error until a call succeeds', () => {
    /** @type {import('../../web/types/messages').Failure} */
    const failure = { code: 'invalid-field', message: 'invalid batch (0)', field: 'batch' };
    const state = after({ type: 'failed', failure });
    expect(state.error).toEqual(failure);
    expect(reduce(state, { type: 'succeeded' }).error).toBeNull();
  });
});

describe('createStore', () => {
  test('calls a subscriber only when its selection has changed', () => {
    const store = createStore();
    const listener = vi.fn();
    const unsubscribe = store.subscribe(({ running, busy }) => [running, busy], listener);
    store.dispatch({ type: 'busy', text: 'Reading.' });
    store.dispatch({ type: 'busy', text: 'Reading.' });
    store.dispatch({ type: 'failed', failure: { code: 'internal', message: 'x' } });
    expect(listener.mock.calls).toEqual([[[false, 'Reading.']]]);
    unsubscribe();
    store.dispatch({ type: 'running', running: true });
    expect(listener).toHaveBeenCalledTimes(1);
  });

  test('lets a subscriber dispatch', () => {
    const store = createStore();
    store.subscribe(
      ({ running }) => running,
      (running) => running && store.dispatch({ type: 'busy', text: 'Training.' }),
    );
    const listener = vi.fn();
    store.subscribe(({ busy }) => busy, listener);
    store.dispatch({ type: 'running', running: true });
    expect(listener.mock.calls).toEqual([['Training.']]);
  });

  test('passes every event to its listeners after the change', () => {
    const store = createStore();
    /** @type {[string, boolean][]} */
    const seen = [];
    store.onEvent((event) => seen.push([event.type, store.getState().running]));
    store.dispatch({ type: 'running', running: true });
    store.dispatch({ type: 'running', running: true });
    expect(seen).toEqual([
      ['running', true],
      ['running', true],
    ]);
  });
});

test('prunedAt is the first stage’s last step', () => {
  const stage = /** @type {import('../../web/types/types').Stage} */ ({ kind: 'train', steps: 30 });
  expect(prunedAt({ ...initialState, stages: [stage] })).toBeNull();
  expect(prunedAt({ ...initialState, stages: [stage, { ...stage, kind: 'prune' }] })).toBe(30);
});
