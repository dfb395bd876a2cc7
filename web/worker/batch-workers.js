/**
 * Workers that share the batches of a run on the CPU (data-parallel): each has a replica of it. They need no shared
 * memory, and so no special headers. Values are added in the same order in every step, so that a run repeats.
 */

import { wrap } from 'comlink';

import { workersFor } from '../state/workers.js';
import { asFailure } from './failure.js';

/** @typedef {import('../types/messages').Saved} Saved */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */
/** @typedef {import('../types/wasm').WasmRun} WasmRun */

/**
 * What the workers replicate.
 * @typedef {object} Original
 * @property {WasmRun} wasm
 * @property {HardwareConfig} hardware
 * @property {import('../types/types').TrainConfig} spec
 * @property {() => Promise<Saved>} checkpoint
 */

/** How long a worker may take to open the run. */
const OPEN_MS = 60_000;
/** How long the slowest part may take: this many times as long as this worker's own, or that. */
const SLOWER = 4;
const PART_MS = 10_000;
/** How often a step is tried with new workers before it is taken alone. */
const TRIES = 2;

/** @typedef {{ worker: Worker, remote: import('comlink').Remote<import('./batch-worker.js').BatchWorker> }} Helper */

export class BatchWorkers {
  /** Why the last ones failed. */
  reason = '';
  /** The other workers; this one is the first of the group. @type {Helper[]} */
  #helpers = [];
  /** Whether the helpers hold what the run holds. */
  #isCurrent = false;
  /** Their parts of the step in progress. @type {Promise<Float32Array>[]} */
  #parts = [];
  /** When that began. */
  #began = 0;
  /** Whether they have failed so often that one worker trains alone. */
  #isOff = false;
  #requested;
  #url;

  /**
   * @param {number | null} requested how many workers train, this one included, if the URL says
   * @param {string} url of the CPU module
   */
  constructor(requested, url) {
    this.#requested = requested;
    this.#url = url;
  }

  /** @param {number} count of helpers */
  #start(count) {
    while (this.#helpers.length > count) this.#helpers.pop()?.worker.terminate();
    while (this.#helpers.length < count) {
      const worker = new Worker(new URL('batch-worker.js', import.meta.url), { type: 'module' });
      /** @type {Helper['remote']} */
      const remote = wrap(worker);
      // A worker that can't load says so when it is to open the run.
      remote.load(this.#url).catch(() => undefined);
      this.#helpers.push({ worker, remote });
    }
  }

  /** How many workers train a run with this batch and data. @param {number} batch @param {NamedBytes[]} files */
  countFor(batch, files) {
    if (this.#isOff) return 1;
    const bytes = files.reduce((sum, file) => sum + file.bytes.byteLength, 0);
    return workersFor({ requested: this.#requested, cores: navigator.hardwareConcurrency, batch, bytes });
  }

  /** The run has changed other than by a step, or is another one. */
  invalidate() {
    this.#isCurrent = false;
  }

  /** Ends all helpers: the run trains elsewhere. */
  close() {
    this.#start(0);
    this.invalidate();
  }

  /**
   * One step of the run, by all workers.
   * @param {Original} run
   * @param {NamedBytes[]} files its data
   */
  async step(run, files) {
    for (let tries = 0; !this.#isOff; tries += 1) {
      try {
        if (!this.#isCurrent) await this.#replicate(run, files);
      } catch (thrown) {
        this.#failed(thrown, tries);
        continue;
      }
      if (this.#helpers.length === 0) break;
      const parts = this.#helpers.map(({ remote }) => remote.part());
      // The step tells.
      for (const part of parts) part.catch(() => undefined);
      this.#parts = parts;
      this.#began = performance.now();
      try {
        return await run.wasm.step();
      } catch (thrown) {
        const others = await Promise.allSettled(parts.map((part) => withPatience(part, 0)));
        this.close();
        // The run's own failure is one, whoever else fails after it.
        if (others.every(({ status }) => status === 'fulfilled')) throw thrown;
        this.#failed(thrown, tries);
      }
    }
    run.wasm.share_batches(0, 1, (own) => Promise.resolve(own));
    return run.wasm.step();
  }

  /** @param {unknown} thrown @param {number} tries */
  #failed(thrown, tries) {
    this.close();
    this.reason = asFailure(thrown).message;
    if (tries + 1 >= TRIES) this.#isOff = true;
  }

  /** Gives every helper the run as it is. @param {Original} run @param {NamedBytes[]} files */
  async #replicate(run, files) {
    const count = this.countFor(run.spec.batch, files);
    this.#start(count - 1);
    if (count > 1) {
      run.wasm.share_batches(0, count, (own) => this.#exchange(own));
      const saved = await run.checkpoint();
      const opened = this.#helpers.map(async ({ remote }, at) => {
        await remote.load(this.#url);
        await remote.open({ rank: at + 1, count }, saved, run.hardware, files);
      });
      await withPatience(Promise.all(opened), OPEN_MS);
    }
    this.#isCurrent = true;
  }

  /** The sum over all workers, which also goes to the others. @param {Float32Array} own */
  async #exchange(own) {
    const patience = Math.max(PART_MS, SLOWER * (performance.now() - this.#began));
    const parts = await withPatience(Promise.all(this.#parts), patience);
    for (const part of parts) {
      // One that had no images gives no values.
      for (let at = 0; at < part.length; at += 1) own[at] = (own[at] ?? 0) + (part[at] ?? 0);
    }
    for (const { remote } of this.#helpers) remote.finish(own).catch(() => undefined);
    return own;
  }
}

/**
 * The promise, or an error if it takes longer: a worker that the browser has ended never answers.
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @returns {Promise<T>}
 */
async function withPatience(promise, ms) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((/** @type {(value: never) => void} */ _, reject) => {
    timer = setTimeout(() => reject(new Error('a worker does not answer')), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
