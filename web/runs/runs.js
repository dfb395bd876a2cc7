/**
 * The runs to compare: kept in this browser, recorded with the page, or opened from a report. Shown runs are
 * drawn behind the current one, each with its own colour and dash.
 */

import { failure } from '../api/errors.js';
import { deleteAllRuns, deleteRun, loadRuns, saveRun } from './kept-runs.js';

/** @typedef {import('../types/types').Report} Report */
/** @typedef {import('../types/messages').KeptRun} KeptRun */
/** @typedef {import('../types/messages').ComparedRun} ComparedRun */

/** The data that the page starts with. Runs on others are longer by far, and would press its charts together. */
const FIRST_DATA = 'builtin';

/** The most lines that a reader can tell apart. */
export const MAX_SHOWN = 5;

/** @param {KeptRun} run @param {ComparedRun['source']} source @returns {ComparedRun} */
function asCompared(run, source) {
  return { ...run, source, slot: null };
}

/** A default name: the network, the regularization, the steps. @param {Report} report */
export function nameOf(report) {
  const { spec, training } = report;
  const network = spec.model === 'custom' ? spec.plan : spec.model;
  const regularizer =
    spec.regularizer === 'none' ? 'not regularized' : `${spec.regularizer} λ ${spec.lambda}`;
  return `${network}, ${regularizer}, ${training.step} steps`;
}

/** Not `crypto.randomUUID`, which a page over plain http doesn't have. */
function newId() {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
}

export class Runs extends EventTarget {
  /** @type {ComparedRun[]} recorded ones first, then by age */
  list = [];
  /** Whether the user chose which runs are shown; the page then leaves that alone. */
  userChose = false;

  /** @param {KeptRun[]} recorded */
  async open(recorded) {
    const kept = await loadRuns();
    const opened = this.list;
    this.list = [
      ...recorded.map((run) => asCompared(run, 'recorded')),
      ...kept.map((run) => asCompared(run, 'kept')),
      ...opened,
    ];
    this.#changed();
  }

  /** The runs drawn behind the current one. */
  get shown() {
    return this.list.filter((run) => run.slot !== null);
  }

  /**
   * @param {Report} report
   * @param {string} [name]
   */
  async keep(report, name = nameOf(report)) {
    const run = { id: newId(), name, when: Date.now(), report };
    if (!(await saveRun(run))) {
      const reason = 'this browser stores nothing here (a private window, or a full disk)';
      throw failure('operation', `cannot keep the run: ${reason}`);
    }
    this.list.push(asCompared(run, 'kept'));
    this.#changed();
    return run.id;
  }

  /**
   * Adds a report from a file: shown at once, gone when the page closes.
   * @param {Report} report
   * @param {string} name
   */
  add(report, name) {
    const run = asCompared({ id: newId(), name, when: Date.now(), report }, 'file');
    this.list.push(run);
    this.userChose = true;
    run.slot = this.#freeSlot();
    this.#changed();
    return run.id;
  }

  /** @param {string} id @param {boolean} shown */
  show(id, shown) {
    const run = this.#find(id);
    if (shown === (run.slot !== null)) return;
    const slot = shown ? this.#freeSlot() : null;
    if (shown && slot === null) {
      throw failure('invalid-state', `at most ${MAX_SHOWN} runs can be drawn together: hide one first`);
    }
    this.userChose = true;
    run.slot = slot;
    this.#changed();
  }

  /** Shows or hides the recorded runs, which are there until the first step. @param {boolean} shown */
  showRecorded(shown) {
    if (this.userChose) return;
    for (const run of this.list) {
      if (run.source !== 'recorded') continue;
      const isSimilar = run.report.spec.data === FIRST_DATA;
      run.slot = shown && isSimilar ? (run.slot ?? this.#freeSlot()) : null;
    }
    this.#changed();
  }

  /** @param {string} id @param {string} name */
  async rename(id, name) {
    const run = this.#find(id);
    const text = name.trim();
    if (text === '' || text.length > 120) {
      throw failure('invalid-field', 'a run’s name has 1 to 120 characters', 'name');
    }
    run.name = text;
    const { report, when } = run;
    if (run.source === 'kept') await saveRun({ id, name: text, when, report });
    this.#changed();
  }

  /** @param {string} id */
  async remove(id) {
    const run = this.#find(id);
    if (run.source === 'kept') await deleteRun(id);
    this.list = this.list.filter((other) => other !== run);
    this.#changed();
  }

  /** Deletes all kept and opened runs; the recorded ones stay. */
  async clear() {
    await deleteAllRuns();
    this.list = this.list.filter((run) => run.source === 'recorded');
    this.#changed();
  }

  /** @param {string} id */
  #find(id) {
    const run = this.list.find((each) => each.id === id);
    if (!run) throw failure('invalid-argument', `no run has the id ${id}`);
    return run;
  }

  #freeSlot() {
    const taken = new Set(this.list.map((run) => run.slot));
    for (let slot = 0; slot < MAX_SHOWN; slot += 1) if (!taken.has(slot)) return slot;
    return null;
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
