/**
 * The worker's service for the page. It owns the run, the opened file and the settings. Calls reject with a plain
 * `Failure`; everything else that happens is a `WorkerEvent`.
 */

import { failure } from '../api/errors.js';
import * as autosave from './autosave.js';
import { Controller } from './controller.js';
import { samePruning } from '../state/pruning.js';
import { asFailure } from './failure.js';
import { Modules } from './modules.js';
import { openAgain, openFiles } from './opener.js';
import { Queue } from './queue.js';
import { simulate } from './simulation.js';

/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */

export class Service {
  #queue = new Queue();
  /** @type {Controller | null} */
  #loaded = null;
  /** How many simulations have begun: a new one ends the one before. */
  #simulations = 0;

  /**
   * Loads the CPU module.
   * @param {string} base the page's URL
   * @param {number | null} workers how many train on the CPU, if the URL says
   * @param {(event: WorkerEvent) => void} emit
   */
  async connect(base, workers, emit) {
    const modules = await Modules.load(base, {
      queueTest: (test) => this.#queue.run(test),
      wantsGpu: () => this.#wantsGpu(),
      onState: (webgpu) => emit({ type: 'webgpu', webgpu }),
      onBroken: (device, thrown) => {
        if (device === 'cpu' || this.#loaded?.runs.usesGpu) this.#queue.abort(thrown);
      },
    });
    this.#loaded = new Controller(modules, this.#queue, base, workers, emit);
    const { cpu } = modules;
    const { schema } = this.#loaded;
    return { version: cpu.version(), schema, published: cpu.published(), converters: cpu.converters() };
  }

  /** Loads the WebGPU module if it is served and worth it. */
  async prepareWebGpu() {
    const { gpu } = this.#controller.modules;
    await gpu.looked;
    gpu.mayLoad = true;
    if (this.#wantsGpu()) await gpu.load();
  }

  /**
   * Applies flat fields, and rebuilds the run only if they change it. Rejects and changes nothing if one is invalid.
   * @param {object} fields
   */
  async set(fields) {
    const controller = this.#controller;
    return controller.attempt(() => {
      const { modules, schema, settings } = controller;
      const next = modules.cpu.apply_fields(settings, fields);
      const setsPruning = Object.keys(fields).some((name) => Object.hasOwn(schema.defaults.pruning, name));
      return controller.apply(next, setsPruning);
    });
  }

  /**
   * Applies a URL's fields to the defaults. Ignores invalid fields, and always leaves a page that works: `error` tells
   * why a run is not as requested.
   * @param {object} fields
   */
  async followUrl(fields) {
    const controller = this.#controller;
    return controller.attempt(async () => {
      const { modules, schema } = controller;
      const { ignored, ...next } = modules.cpu.apply_valid_fields(schema.defaults, fields);
      try {
        return { ...(await controller.apply(next, false)), ignored, error: null };
      } catch (thrown) {
        const error = asFailure(thrown);
        const isFirst = controller.runs.run === null;
        if (isFirst && error.field === 'data') {
          // A URL can't name data files: the page asks for them.
          controller.setWaiting(next);
        } else if (isFirst) {
          const { spec, hardware } = schema.defaults;
          await controller.open({ ...next, spec: { ...spec, device: next.spec.device }, hardware });
        }
        return { ...controller.settings, ignored, error };
      }
    });
  }

  /** Restarts the run. */
  async reset() {
    await this.#controller.open(this.#controller.settings);
    return this.#controller.settings;
  }

  /** Continues the run that the browser saved. */
  async resume() {
    const controller = this.#controller;
    return controller.whilePaused(async () => {
      const saved = await autosave.load();
      if (!saved) throw failure('invalid-state', 'this browser has saved no run');
      await controller.runs.resume(saved);
      return controller.settings;
    });
  }

  /** Continues the same run on the WebGPU device. */
  async moveToWebGpu() {
    const { modules, runs, loop, queue } = this.#controller;
    const { running } = loop;
    await this.#controller.whilePaused(async () => {
      if (!modules.gpu.module) throw failure('invalid-state', 'the WebGPU module is not ready');
      const { spec, hardware } = runs.current;
      const saved = await queue.run(() => runs.current.checkpoint());
      await runs.resume({ ...saved, spec, hardware }, 'webgpu');
    });
    if (running) loop.start();
  }

  async start() {
    await this.#controller.attempt(() => this.#controller.runs.current);
    await this.closeFile();
    this.#controller.loop.start();
  }

  async pause() {
    await this.#controller.loop.stop();
  }

  async step() {
    await this.#controller.attempt(() => this.#controller.runs.current);
    await this.closeFile();
    await this.#controller.loop.stop();
    await this.#controller.attempt(() => this.#controller.loop.once());
  }

  /** Prunes the trained network with the current settings, changed by these fields. @param {object} fields */
  async prune(fields) {
    const { modules, view } = this.#controller;
    const pruning = await this.#controller.attempt(() =>
      modules.cpu.apply_prune_fields(view.pruning, fields),
    );
    await this.#controller.changeStage('Pruning, and measuring the accuracy.', (run) => run.prune(pruning));
    view.pruning = pruning;
    return this.#controller.settings;
  }

  /** Starts fine-tuning. @param {object} fields of TrainConfig */
  async finetune(fields) {
    await this.#controller.changeStage('', (run) => run.wasm.finetune(fields));
    this.#controller.loop.start();
  }

  /** Returns to the trained weights. */
  async undo() {
    await this.#controller.changeStage('', (run) => run.wasm.undo());
  }

  /** Measures the accuracy after the previewed pruning, and emits it. */
  async evaluatePreview() {
    const { runs, view } = this.#controller;
    await this.#controller.queued(() => (view.file ? undefined : runs.run?.evaluatePruned(view.pruning)));
  }

  /**
   * Simulates held-out images, a few at a time so that other calls get their turn. Whatever changes the network that is
   * displayed ends it, and so does another simulation.
   * @param {number} images
   */
  async simulate(images) {
    const { runs, view, loop, queue, emit } = this.#controller;
    return this.#controller.attempt(async () => {
      view.requireNetwork();
      const run = runs.current;
      await loop.stop();
      const { pruning } = view;
      const { changes } = run;
      const number = ++this.#simulations;
      const isCurrent = () =>
        number === this.#simulations &&
        run === runs.run &&
        run.changes === changes &&
        !view.file &&
        samePruning(view.pruning, pruning);
      emit({ type: 'simulating', simulating: true });
      try {
        return await simulate(run, { queue, isCurrent, pruning, images, emit });
      } finally {
        if (number === this.#simulations) emit({ type: 'simulating', simulating: false });
      }
    });
  }

  /**
   * @param {number} layer
   * @param {number} tile
   * @param {number} column
   * @param {number} image
   * @param {number} position
   */
  async column(layer, tile, column, image, position) {
    const { runs, view } = this.#controller;
    return this.#controller.queued(() => {
      view.requireNetwork();
      return runs.current.wasm.trace_column(layer, tile, column, image, position);
    });
  }

  /** Energy of an inference of what is displayed; also an event. */
  async inference() {
    const { view, emit } = this.#controller;
    const inference = await this.#controller.queued(() => view.inference());
    if (inference) emit({ type: 'inference', inference });
    return inference;
  }

  /** @param {number} layer @param {number} tile */
  async tile(layer, tile) {
    const { view } = this.#controller;
    return this.#controller.queued(() => view.tile(layer, tile));
  }

  /** The report on what is displayed. */
  async report() {
    const { view } = this.#controller;
    return this.#controller.queued(() => view.report());
  }

  /** The report on the run, whatever is displayed. */
  async runReport() {
    const { runs } = this.#controller;
    return this.#controller.queued(() => runs.current.report());
  }

  async weights() {
    const { view } = this.#controller;
    return this.#controller.queued(() => view.weights.export(view.pruning));
  }

  async masks() {
    const { view } = this.#controller;
    return this.#controller.queued(() => view.weights.masks(view.pruning));
  }

  async adcPlan() {
    const { view } = this.#controller;
    return this.#controller.queued(() => view.weights.adcPlan(view.pruning));
  }

  /**
   * @param {File[]} files
   * @param {import('./opened-file.js').OpenOptions & { paths?: string[] }} options of a checkpoint or model, and
   * where each file lies in an opened folder
   */
  async load(files, options) {
    return this.#controller.attempt(() => openFiles(this.#controller, files, options));
  }

  /** Reads the opened checkpoint again, with or without its 2-D layers. @param {boolean} linear */
  async includeLinear(linear) {
    await this.#controller.attempt(() => openAgain(this.#controller, { linear }));
  }

  /** Reads another network of the opened checkpoint. @param {string} network */
  async takeNetwork(network) {
    await this.#controller.attempt(() => openAgain(this.#controller, { network }));
  }

  /** Returns from an opened file to the run. */
  async closeFile() {
    await this.#controller.closeFile();
  }

  savedRun = autosave.summary;
  forgetSavedRun = autosave.forget;

  get #controller() {
    if (!this.#loaded) throw failure('invalid-state', 'the page is not ready yet');
    return this.#loaded;
  }

  #wantsGpu() {
    return this.#loaded?.modules.wantsGpu(this.#loaded.runs.run?.spec.device) ?? false;
  }
}
