/** The worker's parts, and how they change together: the settings, the run, the loop, and what is displayed. */

import { BatchWorkers } from './batch-workers.js';
import { asFailure } from './failure.js';
import { DataFiles } from './files.js';
import { Loop } from './loop.js';
import { RunManager } from './run-manager.js';
import { ActiveView } from './view.js';

/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */
/** @typedef {import('../types/wasm').Settings} Settings */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {import('./run.js').Run} Run */

/** @param {unknown} a @param {unknown} b */
const isEqual = (a, b) => JSON.stringify(a) === JSON.stringify(b);

export class Controller {
  /** The settings of the run, or of the run that waits for its data. */
  #config;

  /**
   * @param {import('./modules.js').Modules} modules
   * @param {import('./queue.js').Queue} queue
   * @param {string} base the page's URL
   * @param {number | null} workers how many train on the CPU, if the URL says
   * @param {(event: WorkerEvent) => void} emit
   */
  constructor(modules, queue, base, workers, emit) {
    this.modules = modules;
    this.queue = queue;
    this.emit = emit;
    this.schema = modules.cpu.schema();
    const { spec, hardware, pruning } = this.schema.defaults;
    this.#config = { spec, hardware };
    this.data = new DataFiles(base);
    this.view = new ActiveView({ pruning, getRun: () => this.runs.run, emit });
    this.runs = new RunManager({
      modules,
      queue,
      loadFiles: (source) => this.data.load(source),
      batchWorkers: new BatchWorkers(workers, modules.cpuUrl),
      emit,
      onReplaced: (run) => this.#onReplaced(run),
    });
    this.loop = new Loop({
      step: () => queue.run(() => this.runs.current.step()),
      show: () => queue.run(() => this.view.show()),
      evaluate: (images) => queue.run(() => this.runs.current.evaluate(images)),
      save: () => queue.run(() => this.runs.current.save()),
      report: () => queue.run(() => this.runs.current.emitReport()),
      recover: (thrown) => this.runs.recover(thrown),
      recoverOrThrow: (thrown) => this.runs.recoverOrThrow(thrown),
      onRunning: (running) => emit({ type: 'running', running }),
    });
  }

  /** @param {Run} run */
  async #onReplaced(run) {
    this.#config = { spec: run.spec, hardware: run.hardware };
    this.view.closeFile();
    this.loop.reset(run.device === 'webgpu', run.totalSteps);
    await this.view.show();
    if (run.totalSteps > 0) run.emitReport();
  }

  /** @returns {Settings} */
  get settings() {
    return { ...this.#config, pruning: this.view.pruning };
  }

  /** Sets the settings of a run that waits for its data. @param {Settings} settings */
  setWaiting({ spec, hardware, pruning }) {
    this.#config = { spec, hardware };
    this.view.pruning = pruning;
  }

  /**
   * Applies settings, and rebuilds the run only if they change it.
   * @param {Settings} next
   * @param {boolean} isStrict rejects if the weights can't be pruned as set
   */
  async apply(next, isStrict) {
    const { spec, hardware, pruning } = next;
    // An opened file can be adjusted while the run waits for its data.
    const isWaiting = !this.runs.run && !this.view.file;
    if (isWaiting || !isEqual(spec, this.#config.spec)) await this.open(next, { isStrict });
    else if (!isEqual(hardware, this.#config.hardware)) {
      await this.queue.run(() => this.view.setHardware(hardware, pruning, isStrict));
      // Completed stages were mapped to the hardware of their time.
      if ((this.runs.run?.totalSteps ?? 0) > 0) await this.queue.run(() => this.runs.run?.emitReport());
    } else if (!isEqual(pruning, this.view.pruning)) {
      await this.queue.run(() => this.view.showWith(pruning));
    }
    this.#config = { spec, hardware };
    return this.settings;
  }

  /**
   * Replaces the run; the current one continues if that fails.
   * @param {Settings} settings
   * @param {{ isStrict?: boolean, files?: NamedBytes[] }} [options] as for `apply`; data files, if they are at hand
   */
  async open({ spec, hardware, pruning }, { isStrict = false, files } = {}) {
    const check = isStrict
      ? (/** @type {import('../types/wasm').WasmRun} */ run) => void run.view(pruning)
      : undefined;
    await this.whilePaused(async () => {
      const before = this.view.pruning;
      this.view.pruning = pruning;
      try {
        await this.runs.open(spec, hardware, { files, check });
      } catch (thrown) {
        this.view.pruning = before;
        throw thrown;
      }
    });
  }

  /**
   * Changes to the next stage, or back, while training pauses.
   * @param {string} text what is busy
   * @param {(run: Run) => Promise<void>} change
   */
  async changeStage(text, change) {
    const work = async () => {
      this.emit({ type: 'busy', text });
      const run = this.runs.current;
      await run.changeStage(change);
      this.loop.reset(run.device === 'webgpu', 0);
      this.view.closeFile();
      await this.view.show();
      run.emitReport();
      await run.save();
    };
    await this.whilePaused(() => this.queue.run(work));
  }

  /** Displays a file instead of the run. @param {import('../types/messages').Viewable} file */
  async openFile(file) {
    await this.loop.stop();
    await this.queue.run(async () => {
      this.view.open(file);
      await this.view.show();
    });
  }

  /** Returns from an opened file to the run, if there is one. */
  async closeFile() {
    if (!this.view.file || !this.runs.run) return;
    await this.queue.run(async () => {
      this.view.closeFile();
      await this.view.show();
    });
  }

  /**
   * Work while training pauses; training continues if it fails.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async whilePaused(work) {
    const { running } = this.loop;
    await this.loop.stop();
    try {
      return await this.attempt(work);
    } catch (thrown) {
      if (running && this.runs.run) this.loop.start();
      throw thrown;
    }
  }

  /**
   * Work that waits for its turn.
   * @template T
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  queued(work) {
    return this.attempt(() => this.queue.run(work));
  }

  /**
   * Work that ends the busy state, with errors as plain failures.
   * @template T
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  async attempt(work) {
    try {
      return await work();
    } catch (thrown) {
      throw asFailure(thrown);
    } finally {
      this.emit({ type: 'busy', text: '' });
    }
  }
}
