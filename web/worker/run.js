/** The current run: its wasm object, what the page can display of it, and its events. Calls must be queued. */

import { save } from './autosave.js';

/** @typedef {import('../types/messages').Viewable} Viewable */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/wasm').WasmRun} WasmRun */
/** @typedef {import('../types/messages').Device} Device */
/** @typedef {import('../types/messages').Saved} Saved */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */

/** @typedef {import('./batch-workers.js').BatchWorkers} BatchWorkers */

/**
 * The workers that share the run's batches, and the files that they read.
 * @typedef {{ workers: BatchWorkers, files: NamedBytes[] }} Sharing
 */

/** Fewest and most images to measure an accuracy with while someone waits. */
const MIN_IMAGES = 200;
const MAX_IMAGES = 500;

/** @implements {Viewable} */
export class Run {
  file = null;
  noNetworkReason = '';
  /** The last checkpoint, to continue from if the device is lost. @type {Saved | null} */
  saved = null;
  /** How often its network or hardware has changed. */
  changes = 0;
  /** Images a second, once measured. @type {number | null} */
  #speed = null;
  #emit;
  #sharing;
  /** How many workers the page was told of. */
  #workers = 1;

  /**
   * @param {WasmRun} wasm
   * @param {Device} device
   * @param {HardwareConfig} hardware
   * @param {(event: WorkerEvent) => void} emit
   * @param {Sharing | null} sharing `null` for a run that one worker trains
   */
  constructor(wasm, device, hardware, emit, sharing) {
    this.wasm = wasm;
    this.device = device;
    this.hardware = hardware;
    this.#emit = emit;
    this.#sharing = sharing;
    const { spec, training } = wasm.report();
    this.spec = spec;
    /** Steps of all stages. */
    this.totalSteps = training.step;
    this.weights = {
      tile: (/** @type {number} */ layer, /** @type {number} */ tile, /** @type {PruneSettings} */ pruning) =>
        wasm.tile(layer, tile, pruning),
      adcPlan: (/** @type {PruneSettings} */ pruning) => wasm.adc_plan(pruning),
      masks: (/** @type {PruneSettings} */ pruning) => wasm.masks(pruning),
      export: () => wasm.weights(),
    };
  }

  /** @param {string} fallback why it is not on the requested device */
  emitOpened(fallback) {
    const { training, stages = [] } = this.wasm.report();
    const { spec, hardware, device } = this;
    this.#workers = this.#countWorkers();
    const run = { device, adapter: this.wasm.adapter(), fallback, workers: this.#workers, workersReason: '' };
    const progress = this.wasm.progress();
    const { history } = training;
    const classes = this.wasm.classes();
    this.#emit({ type: 'run-opened', spec, hardware, run, progress, history, stages, classes });
  }

  /** A run can be mapped to any hardware. */
  supports() {
    return true;
  }

  /** @param {HardwareConfig} hardware */
  setHardware(hardware) {
    this.wasm.set_hardware(hardware);
    this.hardware = hardware;
    this.changes += 1;
    this.#sharing?.workers.invalidate();
  }

  async step() {
    this.changes += 1;
    const progress = await this.#step();
    this.totalSteps = progress.before + progress.step;
    this.#speed = progress.images_per_second ?? this.#speed;
    this.#emit({ type: 'progress', progress });
    return progress;
  }

  async #step() {
    if (!this.#sharing) return this.wasm.step();
    const { workers, files } = this.#sharing;
    const progress = await workers.step(this, files);
    const count = this.#countWorkers();
    if (count !== this.#workers) {
      this.#workers = count;
      this.#emit({ type: 'workers', workers: count, reason: workers.reason });
    }
    return progress;
  }

  #countWorkers() {
    return this.#sharing ? this.#sharing.workers.countFor(this.spec.batch, this.#sharing.files) : 1;
  }

  /** @param {PruneSettings} pruning */
  async view(pruning) {
    await this.wasm.sync_weights();
    return this.wasm.view(pruning);
  }

  /** @param {PruneSettings} pruning */
  inference(pruning) {
    return this.wasm.inference(pruning);
  }

  /** @param {number} images */
  async evaluate(images) {
    const evaluation = await this.wasm.evaluate(images);
    this.#emit({ type: 'evaluation', evaluation, step: this.totalSteps });
  }

  /** Measures the accuracy after pruning a copy. @param {PruneSettings} pruning */
  async evaluatePruned(pruning) {
    const { hardware, totalSteps: step } = this;
    const evaluation = await this.wasm.evaluate_pruned(pruning, this.#imagesInASecond());
    this.#emit({ type: 'preview-evaluation', pruning, hardware, evaluation, step });
  }

  /** @param {PruneSettings} pruning */
  async prune(pruning) {
    await this.wasm.prune(pruning, this.#imagesInASecond());
  }

  /** How many held-out images take about a second: evaluation is about three times as fast as training. */
  #imagesInASecond() {
    const speed = this.#speed ?? this.wasm.report().training.images_per_second ?? MIN_IMAGES;
    return Math.round(Math.min(MAX_IMAGES, Math.max(MIN_IMAGES, 3 * speed)));
  }

  async report() {
    await this.wasm.sync_weights();
    return this.wasm.report();
  }

  emitReport() {
    this.#emit({ type: 'report', report: this.wasm.report() });
  }

  /** @param {(run: Run) => Promise<void>} change to the next stage, or back */
  async changeStage(change) {
    this.#sharing?.workers.invalidate();
    this.changes += 1;
    await change(this);
    const report = this.wasm.report();
    this.totalSteps = report.training.step;
    this.#emit({ type: 'stage-changed', report, progress: this.wasm.progress() });
  }

  /** Everything needed to continue. @returns {Promise<Saved>} */
  async checkpoint() {
    const bytes = await this.wasm.checkpoint();
    return { bytes, completed: this.wasm.completed_stages() };
  }

  async save() {
    this.saved = await this.checkpoint();
    const { spec, hardware, totalSteps } = this;
    await save({ ...this.saved, spec, hardware, step: totalSteps, when: Date.now() });
  }

  close() {
    this.wasm.free();
  }
}
