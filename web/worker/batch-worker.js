/** A worker with a replica of the run, which computes its part of each batch and takes every step with the others. */

import { expose, transfer } from 'comlink';

import { loadCpuModule } from './cpu-module.js';

/** @typedef {import('../types/messages').Saved} Saved */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */
/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** @typedef {import('../types/wasm').WasmRun} WasmRun */

/** @typedef {{ rank: number, count: number }} Place */

export class BatchWorker {
  /** @type {Promise<WasmModule> | undefined} */
  #module;
  /** @type {WasmRun | null} */
  #run = null;
  /** The step in progress. @type {Promise<unknown>} */
  #step = Promise.resolve();
  /** Gives this replica's values away. @type {(values: Float32Array) => void} */
  #give = () => undefined;
  /** Takes the sum over all. @type {(sum: Float32Array) => void} */
  #take = () => undefined;

  /** Loads the CPU module. @param {string} url the one that the run uses */
  async load(url) {
    await (this.#module ??= loadCpuModule(url));
  }

  /**
   * Becomes a replica of the saved run.
   * @param {Place} place
   * @param {Saved} saved
   * @param {HardwareConfig} hardware
   * @param {NamedBytes[]} files
   */
  async open({ rank, count }, { bytes, completed }, hardware, files) {
    const module = await this.#module;
    if (!module) throw new Error('the module is not loaded');
    await this.#step;
    this.#run?.free();
    this.#run = null;
    this.#run = await module.Run.resume(bytes, hardware, files, completed);
    this.#run.share_batches(rank, count, (values) => {
      this.#give(values);
      return new Promise((resolve) => (this.#take = resolve));
    });
  }

  /** Begins the next step: this replica's part of the sum. */
  async part() {
    await this.#step;
    if (!this.#run) throw new Error('there is no replica');
    const given = new Promise(
      (/** @type {(values: Float32Array) => void} */ resolve) => (this.#give = resolve),
    );
    const step = this.#run.step();
    this.#step = step;
    // Where a step fails before it has values to give, that is the answer; else the next call tells.
    const values = await Promise.race([given, step.then(() => given)]);
    step.catch(() => undefined);
    return transfer(values, [values.buffer]);
  }

  /** Ends the step. @param {Float32Array} sum over all replicas */
  finish(sum) {
    this.#take(sum);
  }
}

expose(new BatchWorker());
