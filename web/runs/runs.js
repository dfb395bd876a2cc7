/**
 * The runs that can be compared: kept in this browser, recorded with the page, or opened from a report.
 * Those that are shown are drawn over the present run, each with a colour and a dash of its own.
 */

import { all, drop, dropAll, put } from './store.js';

/** @typedef {import('../types/types').Report} Report */
/** @typedef {import('../types/messages').KeptRun} KeptRun */
/** @typedef {import('../types/messages').ComparedRun} ComparedRun */

/** As many lines can be told apart. */
export const MOST_SHOWN = 5;

/** @param {KeptRun} run @param {ComparedRun['source']} source @returns {ComparedRun} */
function asCompared(run, source) {
  return { ...run, source, slot: null };
}

/** A name that says what the run is, for a list of a few. @param {Report} report */
export function nameOf(report) {
  const { spec, training } = report;
  const network = spec.model === 'custom' ? spec.plan : spec.model;
  const push = spec.regularizer === 'none' ? 'no push' : `${spec.regularizer} λ ${spec.lambda}`;
  return `${network}, ${push}, ${training.step} steps`;
}

/** `crypto.randomUUID` is not there on a page served without TLS. */
function newId() {
  return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
}

export class Runs extends EventTarget {
  /** @type {ComparedRun[]} recorded ones first, then by age */
  list = [];
  /** Whether the user has chosen what is shown: then nothing is hidden or shown by itself. */
  chosen = false;

  /** @param {KeptRun[]} recorded */
  async open(recorded) {
    const kept = await all();
    const opened = this.list;
    this.list = [
      ...recorded.map((run) => asCompared(run, 'recorded')),
      ...kept.map((run) => asCompared(run, 'kept')),
      ...opened,
    ];
    this.#changed();
  }

  /** Those drawn over the present run. */
  get shown() {
    return this.list.filter((run) => run.slot !== null);
  }

  /**
   * @param {Report} report
   * @param {string} [name]
   */
  async keep(report, name = nameOf(report)) {
    const run = { id: newId(), name, when: Date.now(), report };
    if (!(await put(run)))
      throw {
        message: 'keeping the run: this browser stores nothing here (a private window, or a full disk)',
      };
    this.list.push(asCompared(run, 'kept'));
    this.#changed();
    return run.id;
  }

  /**
   * A report from a file: shown at once, gone with the page.
   * @param {Report} report
   * @param {string} name
   */
  add(report, name) {
    const run = asCompared({ id: newId(), name, when: Date.now(), report }, 'file');
    this.list.push(run);
    this.chosen = true;
    run.slot = this.#freeSlot();
    this.#changed();
    return run.id;
  }

  /** @param {string} id @param {boolean} shown */
  show(id, shown) {
    const run = this.#of(id);
    if (shown === (run.slot !== null)) return;
    const slot = shown ? this.#freeSlot() : null;
    if (shown && slot === null)
      throw { message: `at most ${MOST_SHOWN} runs are drawn over each other: hide one first` };
    this.chosen = true;
    run.slot = slot;
    this.#changed();
  }

  /** While nothing is trained, the recorded runs are looked at; the live one then takes over. @param {boolean} shown */
  showRecorded(shown) {
    if (this.chosen) return;
    for (const run of this.list) {
      if (run.source === 'recorded') run.slot = shown ? (run.slot ?? this.#freeSlot()) : null;
    }
    this.#changed();
  }

  /** @param {string} id @param {string} name */
  async rename(id, name) {
    const run = this.#of(id);
    const text = name.trim();
    if (text === '' || text.length > 120) throw { message: 'renaming a run: a name has 1 to 120 characters' };
    run.name = text;
    const { report, when } = run;
    if (run.source === 'kept') await put({ id, name: text, when, report });
    this.#changed();
  }

  /** @param {string} id */
  async remove(id) {
    const run = this.#of(id);
    if (run.source === 'kept') await drop(id);
    this.list = this.list.filter((other) => other !== run);
    this.#changed();
  }

  /** Forgets all kept and opened runs; what comes with the page stays. */
  async clear() {
    await dropAll();
    this.list = this.list.filter((run) => run.source === 'recorded');
    this.#changed();
  }

  /** @param {string} id */
  #of(id) {
    const run = this.list.find((each) => each.id === id);
    if (!run) throw { message: `there is no run ${id}` };
    return run;
  }

  #freeSlot() {
    const taken = new Set(this.list.map((run) => run.slot));
    for (let slot = 0; slot < MOST_SHOWN; slot += 1) if (!taken.has(slot)) return slot;
    return null;
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
