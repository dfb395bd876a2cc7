/**
 * The page's side of the worker: every call of the page, its effect on the store, and its errors.
 * `api.js` exposes it as `window.crossdub`.
 */

import { proxy, wrap } from 'comlink';

import { Runs } from '../runs/runs.js';
import { createStore } from '../state/store.js';
import { parseHash } from '../state/url-hash.js';
import { requestedWorkers, writeUrl } from '../state/url.js';
import { checkCounts, checkFields, checkFiles } from './arguments.js';
import { asError, failure } from './errors.js';

/** @typedef {import('../types/messages').Fields} Fields */
/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/types').TrainConfig} TrainConfig */
/** @typedef {import('../types/wasm').Settings} Settings */
/** @typedef {import('comlink').Remote<import('../worker/service.js').Service>} Service */

export class Client {
  store = createStore();
  /** Runs to compare with. */
  runs = new Runs();
  /** @type {Service} */
  #service;
  /** Changes of the run happen one after the other. @type {Promise<unknown>} */
  #changes = Promise.resolve();

  constructor() {
    const worker = new Worker(new URL('../worker/worker.js', import.meta.url), { type: 'module' });
    worker.addEventListener('error', ({ message }) => {
      this.#report(
        failure('internal', `The training worker failed: ${message || 'it could not be loaded'}.`),
      );
    });
    this.#service = wrap(worker);
    this.runs.addEventListener('change', () =>
      this.store.dispatch({ type: 'runs', runs: [...this.runs.list] }),
    );
  }

  /**
   * Loads the module and opens the run that the URL describes.
   * @param {string} hash
   */
  async open(hash) {
    try {
      const onEvent = proxy((/** @type {import('../types/messages').WorkerEvent} */ event) =>
        this.store.dispatch(event),
      );
      const { workers, invalid } = requestedWorkers();
      const connected = await this.#service.connect(document.baseURI, workers, onEvent);
      this.store.dispatch({ type: 'connected', ...connected });
      await this.followUrl(hash, invalid);
      this.store.subscribe(
        ({ spec, hardware, pruning }) => [spec, hardware, pruning],
        () => writeUrl(this.store.getState()),
      );
      void this.#service.prepareWebGpu();
    } catch (thrown) {
      this.store.dispatch({ type: 'busy', text: '' });
      throw this.#report(thrown);
    }
  }

  /**
   * Applies the fields of a URL, and reports the invalid ones. Keeps the run if its fields are the same.
   * @param {string} hash
   * @param {string[]} [invalidBefore] what of the URL before the hash is invalid
   */
  followUrl(hash, invalidBefore = []) {
    return this.#change(async () => {
      const { fields, invalid } = parseHash(hash, this.#schema().defaults);
      const { ignored, error, ...settings } = await this.#service.followUrl(fields);
      const values = /** @type {Record<string, unknown>} */ (fields);
      const all = [...invalidBefore, ...invalid, ...ignored.map((name) => `${name}=${values[name]}`)];
      if (all.length > 0)
        this.#report(failure('invalid-field', `Ignored invalid URL settings: ${all.join(', ')}.`));
      if (error) this.#report(error);
      this.#configure(settings);
      writeUrl(this.store.getState());
      return error === null && all.length === 0;
    });
  }

  /**
   * The current fields of the run and the hardware.
   * @returns {TrainConfig & import('../types/types').HardwareConfig}
   */
  spec() {
    this.#schema();
    const { spec, hardware } = this.store.getState();
    return structuredClone(Object.assign({}, spec, hardware));
  }

  /** @param {Fields} fields */
  set(fields) {
    return this.#change(async () => this.#configure(await this.#service.set(checkFields(fields, 'set'))));
  }

  start() {
    return this.#change(() => {
      this.#requireUnfinished();
      return this.#service.start();
    });
  }

  pause() {
    return this.#change(() => this.#service.pause());
  }

  step() {
    return this.#change(() => {
      this.#requireUnfinished();
      return this.#service.step();
    });
  }

  /** Restarts the run. */
  reset() {
    return this.#change(async () => this.#configure(await this.#service.reset()));
  }

  /** Prunes with the current settings and these fields. @param {Partial<PruneSettings>} fields */
  prune(fields) {
    return this.#change(async () => this.#configure(await this.#service.prune(checkFields(fields, 'prune'))));
  }

  /** Fine-tunes; pruned weights stay zero. @param {Partial<TrainConfig>} fields */
  finetune(fields) {
    return this.#change(() => this.#service.finetune(checkFields(fields, 'finetune')));
  }

  /** Returns to the trained weights. */
  undo() {
    return this.#change(() => this.#service.undo());
  }

  /** Continues the run that the browser saved. */
  resume() {
    return this.#change(async () => this.#configure(await this.#service.resume()));
  }

  moveToWebGpu() {
    return this.#change(() => this.#service.moveToWebGpu());
  }

  /** Energy of an inference by every model; also an event. */
  inference() {
    return this.#query(() => this.#service.inference());
  }

  /**
   * Simulates held-out images on the current hardware until the number is reached or the run changes.
   * Later changes need not wait for it.
   * @param {{ images?: number }} options
   */
  simulate(options) {
    return this.#query(async () => {
      const { images = 50 } = checkFields(options, 'prove');
      checkCounts({ images }, 1);
      await this.#changes;
      return this.#service.simulate(images);
    });
  }

  /**
   * One column of the simulated network.
   * @param {{ layer: number, tile: number, column: number, image?: number, position?: number }} at
   * @param {boolean} [quietly] does not report an error
   */
  column(at, quietly = false) {
    const ask = async () => {
      const { layer, tile, column, image = 0, position = 0 } = checkFields(at, 'column');
      checkCounts({ layer, tile, column, image, position });
      return this.#service.column(layer, tile, column, image, position);
    };
    return quietly ? ask() : this.#query(ask);
  }

  /** Measures the accuracy after the previewed pruning; the result is an event. */
  evaluatePreview() {
    return this.#service.evaluatePreview();
  }

  /** One tile of what is displayed; null if it has no weights. @param {number} layer @param {number} tile */
  tile(layer, tile) {
    return this.#service.tile(layer, tile);
  }

  /** The report on what is displayed, after all earlier changes. */
  report() {
    return this.#query(async () => {
      await this.#changes;
      return this.#service.report();
    });
  }

  weights() {
    return this.#query(() => this.#service.weights());
  }

  masks() {
    return this.#query(() => this.#service.masks());
  }

  adcPlan() {
    return this.#query(() => this.#service.adcPlan());
  }

  /**
   * Opens data files, pictures, a checkpoint, an ONNX model or reports.
   * @param {File | Iterable<File>} file
   * @param {import('../types/messages').LoadOptions} [options] `paths`: where each file lies in its folder; of files
   * that a folder was chosen for, the browser knows it
   */
  load(file, { linear = false, network = null, input_shape = [], paths } = {}) {
    return this.#change(async () => {
      const files = checkFiles(file);
      const { reports } = await this.#service.load(files, {
        linear,
        network,
        input_shape: [input_shape].flat(),
        paths: paths ?? files.map((each) => each.webkitRelativePath || each.name),
      });
      for (const { name, report } of reports)
        this.runs.add(report, report.name || name.replace(/\.json$/i, ''));
    });
  }

  /** Shows the opened checkpoint with its 2-D layers, or without. @param {boolean} linear */
  includeLinear(linear) {
    return this.#change(() => this.#service.includeLinear(linear));
  }

  /** Shows another network of the opened checkpoint. @param {string} network */
  takeNetwork(network) {
    return this.#change(() => this.#service.takeNetwork(network));
  }

  /** Returns from an opened file to the run. */
  closeFile() {
    return this.#change(() => this.#service.closeFile());
  }

  /** Keeps the current run in this browser. @param {string} [name] */
  keepRun(name) {
    return this.#change(async () => this.runs.keep(await this.#service.runReport(), name));
  }

  /**
   * A change of the runs to compare.
   * @template T
   * @param {(runs: Runs) => T | Promise<T>} change
   */
  changeRuns(change) {
    return this.#change(async () => change(this.runs));
  }

  /** The run that the browser saved, if any. */
  savedRun() {
    return this.#service.savedRun();
  }

  forgetSavedRun() {
    return this.#service.forgetSavedRun();
  }

  #schema() {
    const { schema } = this.store.getState();
    if (!schema) throw failure('invalid-state', 'The page is still loading: wait for crossdub.ready.');
    return schema;
  }

  #requireUnfinished() {
    if (!this.store.getState().progress?.finished) return;
    throw failure('invalid-state', 'The run is complete. Reset it to train again.');
  }

  /** @param {Settings} settings */
  #configure({ spec, hardware, pruning }) {
    this.store.dispatch({ type: 'configured', spec, hardware, pruning });
  }

  /** Reports an error to the page and to listeners. @param {unknown} thrown */
  #report(thrown) {
    const error = asError(thrown);
    const { code, message, field } = error;
    this.store.dispatch({ type: 'failed', failure: failure(code, message, field) });
    return error;
  }

  /**
   * A change of the run: runs after all earlier ones, and its success clears the last error. Work that reports an
   * error itself resolves to false.
   * @template T
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  #change(work) {
    const result = this.#changes.then(async () => {
      try {
        const value = await work();
        if (value !== false) this.store.dispatch({ type: 'succeeded' });
        return value;
      } catch (thrown) {
        throw this.#report(thrown);
      }
    });
    this.#changes = result.catch(() => undefined);
    return result;
  }

  /**
   * A call that changes nothing.
   * @template T
   * @param {() => Promise<T>} ask
   * @returns {Promise<T>}
   */
  async #query(ask) {
    try {
      return await ask();
    } catch (thrown) {
      throw this.#report(thrown);
    }
  }
}
