/** What the page displays: the run, or an opened file, with the pruning that is previewed. Calls must be queued. */

import { failure } from '../api/errors.js';
import { asFailure } from './failure.js';

/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/messages').Viewable} Viewable */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {import('./run.js').Run} Run */

export class ActiveView {
  /** @type {Viewable | null} */
  file = null;
  #getRun;
  #emit;

  /**
   * @param {object} options
   * @param {PruneSettings} options.pruning suits any weights
   * @param {() => Run | null} options.getRun
   * @param {(event: WorkerEvent) => void} options.emit
   */
  constructor({ pruning, getRun, emit }) {
    this.pruning = pruning;
    this.defaultPruning = pruning;
    this.#getRun = getRun;
    this.#emit = emit;
  }

  /** What is displayed; throws if there is neither a file nor a run. @returns {Viewable} */
  get current() {
    const current = this.file ?? this.#getRun();
    if (!current) throw failure('invalid-state', 'no run yet: open its data first');
    return current;
  }

  /** The displayed weights; throws if there are none. */
  get weights() {
    const { weights } = this.current;
    if (weights) return weights;
    throw failure('invalid-state', 'a report holds no weights: open the run’s weights.safetensors for that');
  }

  /** @param {number} layer @param {number} tile */
  tile(layer, tile) {
    const weights = (this.file ?? this.#getRun())?.weights;
    return weights?.tile(layer, tile, this.pruning) ?? null;
  }

  inference() {
    return this.current.inference(this.pruning);
  }

  /** The report on what is displayed; a checkpoint's also holds the waiting run's. */
  async report() {
    const run = (await this.#getRun()?.report()) ?? null;
    return this.file ? this.file.report(this.pruning, run) : (run ?? this.current.report(this.pruning, null));
  }

  /** Throws if a file is displayed, which can't be simulated. */
  requireNetwork() {
    if (this.file) throw failure('invalid-state', this.file.noNetworkReason);
  }

  /** @param {Viewable} file */
  open(file) {
    this.closeFile();
    this.file = file;
  }

  /** Returns to the run. */
  closeFile() {
    this.file?.close();
    this.file = null;
  }

  /** Displays with these settings, or throws and changes nothing. @param {PruneSettings} pruning */
  async showWith(pruning) {
    await this.#show(pruning);
    this.pruning = pruning;
  }

  /** Displays; if the weights can't be pruned as set, with the default settings: a preview must not stop training. */
  async show() {
    try {
      await this.#show(this.pruning);
    } catch (thrown) {
      const { message, field } = asFailure(thrown);
      const { pruning, defaultPruning } = this;
      // A field of the hardware, too: a rule may have no count for it.
      if (field === undefined || pruning.rule === defaultPruning.rule) throw thrown;
      this.pruning = defaultPruning;
      const { rule, strength } = defaultPruning;
      const reason = `${message}. What is shown is pruned by the ${rule} rule at strength ${strength} % instead.`;
      this.#emit({ type: 'pruning-replaced', pruning: defaultPruning, reason });
      await this.#show(defaultPruning);
    }
  }

  /** @param {PruneSettings} pruning */
  async #show(pruning) {
    const run = this.#getRun();
    const viewable = this.file ?? run;
    if (!viewable) return;
    const view = await viewable.view(pruning);
    const step = this.file ? 0 : (run?.totalSteps ?? 0);
    this.#emit({ type: 'view', view, pruning, step, file: viewable.file });
  }

  /**
   * Maps the run and the opened file to other hardware, or throws and changes nothing. A report that depends on the
   * old hardware is closed.
   * @param {HardwareConfig} hardware
   * @param {PruneSettings} pruning
   * @param {boolean} isStrict throws if the weights can't be pruned as set
   */
  async setHardware(hardware, pruning, isStrict) {
    const file = this.file;
    const isKept = file?.supports(hardware) ?? false;
    const mapped = [this.#getRun(), isKept ? file : null].filter((viewable) => viewable !== null);
    const before = mapped.map((viewable) => viewable.hardware);
    const pruningBefore = this.pruning;
    try {
      for (const viewable of mapped) viewable.setHardware(hardware);
      this.file = isKept ? file : null;
      this.pruning = pruning;
      if (isStrict) await this.showWith(pruning);
      else await this.show();
    } catch (thrown) {
      mapped.forEach((viewable, index) => viewable.setHardware(before[index] ?? hardware));
      this.file = file;
      this.pruning = pruningBefore;
      throw thrown;
    }
    if (!isKept) file?.close();
  }
}
