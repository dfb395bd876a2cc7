/**
 * What the page is shown: the run, or a dropped checkpoint or report in its place, under the pruning that is previewed.
 * Called in the worker's queue.
 */

import { DEFAULT_CHOICE, isChoiceField } from '../state/pruning.js';
import { asFailure } from './failure.js';

/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {import('./dropped.js').Dropped} Dropped */
/** @typedef {import('./run.js').Run} Run */

export class Display {
  /** @type {PruneChoice} */
  choice = DEFAULT_CHOICE;
  /** @type {Dropped | null} */
  dropped = null;
  #run;
  #held;
  #tell;

  /**
   * @param {object} uses
   * @param {() => Run | null} uses.run
   * @param {() => Run} uses.held the run; thrown when there is none
   * @param {(event: WorkerEvent) => void} uses.tell
   */
  constructor({ run, held, tell }) {
    this.#run = run;
    this.#held = held;
    this.#tell = tell;
  }

  /** What is shown, with what a checkpoint and a trainer have in common. */
  shown() {
    return this.dropped?.checkpoint ?? this.#held().trainer;
  }

  /** @param {number} layer @param {number} tile */
  tile(layer, tile) {
    return (this.dropped?.checkpoint ?? this.#run()?.trainer)?.tile(layer, tile, this.choice) ?? null;
  }

  /** The weights as they are; of a dropped checkpoint, pruned as chosen. */
  weights() {
    return this.dropped?.checkpoint.pruned(this.choice) ?? this.#held().trainer.weights();
  }

  /** The report on what is shown: beside a checkpoint's analysis stand the specification and training of the run that waits. */
  async report() {
    const { dropped } = this;
    if (!dropped) return this.#held().fullReport();
    return dropped.report(this.choice, (await this.#run()?.fullReport()) ?? null);
  }

  /** Thrown when what is asked for needs a network, and a checkpoint's is not known. */
  refuseWithoutNetwork() {
    if (this.dropped) throw { message: this.dropped.whyNoNetwork };
  }

  /** @param {Dropped} dropped */
  show(dropped) {
    this.forget();
    this.dropped = dropped;
  }

  /** Back to the run. */
  forget() {
    this.dropped?.checkpoint.free();
    this.dropped = null;
  }

  /**
   * Draws under this choice; thrown when it can't be had, with everything as before.
   * @param {PruneChoice} choice
   */
  async viewUnder(choice) {
    await this.#view(choice);
    this.choice = choice;
  }

  /** Draws. What is previewed must stop nothing: a choice that can't be had here gives way to one that always can. */
  async view() {
    try {
      await this.#view(this.choice);
    } catch (thrown) {
      const { message, field } = asFailure(thrown);
      if (field === undefined || !isChoiceField(field) || this.choice.rule === DEFAULT_CHOICE.rule)
        throw thrown;
      this.choice = DEFAULT_CHOICE;
      const why = `${message}. What is shown is pruned by the exact rule at strength ${DEFAULT_CHOICE.strength} % instead.`;
      this.#tell({ type: 'choice', choice: this.choice, why });
      await this.#view(this.choice);
    }
  }

  /** @param {PruneChoice} choice */
  async #view(choice) {
    const { dropped } = this;
    if (dropped)
      this.#tell({ type: 'view', view: dropped.checkpoint.view(choice), choice, step: 0, dropped: true });
    else await this.#run()?.view(choice);
  }

  /**
   * Maps to other hardware, what is shown and the run; a report that can't follow is put away.
   * @param {HardwareSpec} hardware @param {PruneChoice} choice
   * @param {boolean} strictly whether a choice that can't be had there is thrown, with everything as before
   */
  async setHardware(hardware, choice, strictly) {
    const run = this.#run();
    const guest = this.dropped?.fits(hardware) ? this.dropped : null;
    const before = { run: run?.hardware, guest: guest?.hardware };
    run?.setHardware(hardware);
    guest?.setHardware(hardware);
    try {
      if (strictly) (guest?.checkpoint ?? run?.trainer)?.view(choice);
    } catch (thrown) {
      if (before.run) run?.setHardware(before.run);
      if (before.guest) guest?.setHardware(before.guest);
      throw thrown;
    }
    if (!guest) this.forget();
    this.choice = choice;
    await this.view();
  }
}
