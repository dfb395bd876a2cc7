/**
 * The page's side of the worker: what the page knows of the run, and what can be done with it.
 * Everything that shows something listens to it; `api.js` makes `window.crossdub` of it.
 */

import { proxy, wrap } from 'comlink';

import { CrossdubError, asError } from './errors.js';
import { blank, take } from './known.js';
import { DEFAULT_CHOICE, isChoiceField, refusalOf, sameChoice, splitChoice } from './pruning.js';
import { Runs } from './runs/runs.js';
import { fieldsFromHash, hashFromFields } from './state.js';

/** @typedef {import('./types').RunSpec} RunSpec */
/** @typedef {import('./types').HardwareSpec} HardwareSpec */
/** @typedef {import('./types').PruneChoice} PruneChoice */
/** @typedef {import('./messages').Fields} Fields */
/** @typedef {import('./messages').WorkerEvent} WorkerEvent */
/** @typedef {import('comlink').Remote<import('./worker/lab.js').Lab>} RemoteLab */

/** Images to measure an accuracy with while someone waits. */
const LEAST_IMAGES = 200;
const MOST_IMAGES = 500;
const STILL_LOADING = 'The page is still loading: wait for crossdub.ready.';

export class Session extends EventTarget {
  state = blank();
  /** Runs to compare with. */
  runs = new Runs();
  /** @type {RemoteLab} */
  lab;
  /** One change of the run at a time, in the order of asking. @type {Promise<unknown>} */
  #changes = Promise.resolve();
  /** What the page starts with. @type {{ spec: RunSpec, hardware: HardwareSpec } | null} */
  #start = null;

  constructor() {
    super();
    const worker = new Worker(new URL('./worker/worker.js', import.meta.url), { type: 'module' });
    worker.addEventListener('error', (event) => {
      this.fail(new CrossdubError({ message: `The training worker failed: ${event.message || 'it could not be loaded'}.` }));
    });
    this.lab = wrap(worker);
  }

  /**
   * Loads the module and opens the run that the address asks for.
   * @param {string} hash
   */
  async open(hash) {
    try {
      const { spec, hardware, version, published, converters } = await this.lab.connect(document.baseURI, proxy((event) => this.#hear(event)));
      this.#start = { spec, hardware };
      Object.assign(this.state, { spec, hardware, version, published, converters, defaults: { ...spec, ...hardware } });
      await this.follow(hash);
      void this.lab.prepareWebGpu();
    } catch (thrown) {
      this.state.busy = '';
      this.#changed();
      throw this.refuse(thrown);
    }
  }

  /**
   * Takes up the address's fields; what is wrong in them is left out and said in one line.
   * @param {string} hash
   */
  follow(hash) {
    return this.#change(async () => {
      const defaults = this.#known().defaults;
      const { fields, unread } = fieldsFromHash(hash, defaults);
      const base = structuredClone(this.#initial());
      const { choice: asked, rest } = splitChoice(fields);
      const choice = { ...DEFAULT_CHOICE, ...asked };
      for (const [name, value] of Object.entries(asked)) {
        if (!isChoiceField(name) || !refusalOf(name, value)) continue;
        unread.push(`${name}=${value}`);
        Object.assign(choice, { [name]: DEFAULT_CHOICE[name] });
      }
      const next = await this.#applyTolerantly(base, rest, unread);
      if (unread.length > 0) {
        const message = `The address asks for ${unread.join(', ')}, which can't be had: the default is used.`;
        this.fail(new CrossdubError({ message }));
      }
      // Data files can't be named in an address: the spec stands, and the page asks for them.
      Object.assign(this.state, next, { choice });
      await this.lab.open(next.spec, next.hardware, choice).catch((thrown) => {
        this.state.busy = '';
        this.refuse(thrown);
      });
      this.#changed();
    }, 'followed');
  }

  /**
   * @param {{ spec: RunSpec, hardware: HardwareSpec }} base
   * @param {Record<string, unknown>} fields
   * @param {string[]} refused
   */
  async #applyTolerantly(base, fields, refused) {
    for (;;) {
      try {
        return await this.lab.apply(base.spec, base.hardware, fields);
      } catch (thrown) {
        // Without the field that is named as wrong; without all of them when none is named.
        const { field } = asError(thrown);
        const wrong = field !== undefined && field in fields ? [field] : Object.keys(fields);
        if (wrong.length === 0) throw thrown;
        for (const name of wrong) {
          refused.push(`${name}=${fields[name]}`);
          delete fields[name];
        }
      }
    }
  }

  /** @returns {RunSpec & HardwareSpec} */
  spec() {
    const { spec, hardware } = this.#known();
    return structuredClone({ ...spec, ...hardware });
  }

  /** @param {Fields} fields */
  set(fields) {
    return this.#change(async () => {
      const known = this.#known();
      const { choice: asked, rest } = splitChoice(Object(fields));
      const choice = this.#choice(asked);
      const next = await this.lab.apply(known.spec, known.hardware, rest);
      const same = (/** @type {unknown} */ a, /** @type {unknown} */ b) => JSON.stringify(a) === JSON.stringify(b);
      if (!same(next.spec, known.spec)) await this.lab.open(next.spec, next.hardware, choice);
      else if (!same(next.hardware, known.hardware)) {
        this.state.proof = null;
        await this.lab.setHardware(next.hardware, choice);
      }
      else if (!sameChoice(choice, this.state.choice)) await this.setChoice(choice);
      Object.assign(this.state, next, { choice });
      this.#changed();
    });
  }

  /** @param {PruneChoice} choice */
  async setChoice(choice) {
    Object.assign(this.state, { choice, trial: null, proof: null });
    this.#tell('choice', undefined);
    await this.lab.setChoice(choice);
  }

  start() {
    return this.#change(async () => {
      if (this.state.progress?.finished) throw { message: 'The run is complete. Reset it to train again.' };
      this.#known();
      await this.lab.start();
      Object.assign(this.state, { dropped: '', shown: null });
      this.#changed();
    });
  }

  /** Prunes as chosen, with these fields changed first. @param {Partial<PruneChoice>} fields */
  prune(fields) {
    return this.#change(async () => {
      const choice = this.#choice(fields);
      await this.lab.prune(choice, this.#images());
      Object.assign(this.state, { choice, dropped: '', shown: null });
      this.#changed();
    });
  }

  /** Trains on with what is pruned kept at zero. @param {Partial<RunSpec>} fields */
  finetune(fields) {
    return this.#change(async () => {
      await this.lab.finetune(fields);
      await this.lab.start();
      this.#changed();
    });
  }

  /** Back to the trained weights. */
  undo() {
    return this.#change(async () => {
      await this.lab.undo();
      this.#changed();
    });
  }

  /** Energy of an inference by every model; told as an event. */
  inference() {
    return this.lab.inference().catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  /**
   * Simulates held-out images on the present hardware, some at a time, until so many are done or it is stopped.
   * @param {{ images?: number }} options
   */
  prove({ images = 50 }) {
    const wrong = !Number.isInteger(images) || images < 1;
    const refusal = { message: `invalid images (${images}): takes 1 or more`, field: 'images' };
    // Not one of the changes: those need not wait for it.
    const result = wrong ? Promise.reject(refusal) : this.lab.prove(this.state.choice, images);
    return result.catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  /**
   * One column of the simulated network.
   * @param {{ layer: number, tile: number, column: number, image?: number, position?: number }} at
   * @param {boolean} [quietly] whether a refusal is not said: the caller only looks
   */
  column({ layer, tile, column, image = 0, position = 0 }, quietly = false) {
    const example = this.lab.column(layer, tile, column, image, position);
    return quietly ? example : example.catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  /** Measures the accuracy of the previewed pruning. */
  tryOut() {
    return this.lab.tryOut(this.state.choice, this.#images());
  }

  /** So many held-out images take about a second on this device. */
  #images() {
    const speed = this.state.progress?.images_per_second ?? this.state.report?.training.images_per_second ?? LEAST_IMAGES;
    return Math.round(Math.min(MOST_IMAGES, Math.max(LEAST_IMAGES, 3 * speed)));
  }

  /** The present choice with these fields; thrown when one can't be had. @param {object} fields */
  #choice(fields) {
    for (const [name, value] of Object.entries(fields)) {
      const refusal = isChoiceField(name) ? refusalOf(name, value) : { message: `invalid ${name}: pruning takes ${Object.keys(DEFAULT_CHOICE).join(', ')}`, field: name };
      if (refusal) throw refusal;
    }
    return { ...this.state.choice, ...fields };
  }

  pause() {
    return this.#change(() => this.lab.pause());
  }

  step() {
    return this.#change(async () => {
      if (this.state.progress?.finished) throw { message: 'The run is complete. Reset it to train again.' };
      await this.lab.step();
      Object.assign(this.state, { dropped: '', shown: null });
      this.#changed();
    });
  }

  reset() {
    return this.#change(async () => {
      const { spec, hardware } = this.#known();
      await this.lab.open(spec, hardware, this.state.choice);
    });
  }

  report() {
    return this.lab.report().catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  weights() {
    return this.lab.weights().catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  masks() {
    return this.lab.masks().catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  adcPlan() {
    return this.lab.adcPlan().catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  /** @param {File | Iterable<File>} file @param {{ linear?: boolean }} [options] */
  load(file, { linear = false } = {}) {
    const files = file instanceof Blob ? [file] : [...file];
    return this.#change(async () => {
      const { spec, hardware } = this.#known();
      const { kind, reports, shown, ...taken } = await this.lab.load(files, spec, hardware, this.state.choice, linear);
      for (const { name, report } of reports) this.runs.add(report, name.replace(/\.json$/i, ''));
      if (kind === 'report' && shown === null) return;
      const dropped = kind === 'checkpoint' ? (files[0]?.name ?? '') : (shown ?? '');
      Object.assign(this.state, { dropped, linear: taken.linear, shown: shown === null ? null : (reports[0]?.report ?? null), inference: null });
      this.#changed();
    });
  }

  /** A dropped checkpoint with its 2-D layers, or without. @param {boolean} linear */
  includeLinear(linear) {
    return this.#change(async () => {
      await this.lab.includeLinear(linear);
      this.state.linear = linear;
      this.#changed();
    });
  }

  /** Back from a dropped checkpoint to the run. */
  closeCheckpoint() {
    return this.#change(async () => {
      await this.lab.closeCheckpoint();
      Object.assign(this.state, { dropped: '', shown: null });
      this.#changed();
    });
  }

  /** Keeps the present run, as it is, in this browser. @param {string} [name] */
  keepRun(name) {
    return this.#change(async () => this.runs.keep(await this.lab.report(), name));
  }

  /**
   * Something with the runs to compare, refused in the one way.
   * @template T
   * @param {(runs: Runs) => T | Promise<T>} work
   */
  withRuns(work) {
    return this.#change(async () => work(this.runs));
  }

  /** Goes on from the run that the browser kept. */
  resume() {
    return this.#change(async () => {
      await this.lab.resume(this.state.choice);
      this.#changed();
    });
  }

  moveToWebGpu() {
    return this.#change(() => this.lab.moveToWebGpu());
  }

  /**
   * Says an error everywhere that errors are said.
   * @param {CrossdubError} error
   */
  fail(error) {
    this.#tell('failure', { message: error.message, field: error.field });
    return error;
  }

  /** Says what a call rejected with. @param {unknown} thrown */
  refuse(thrown) {
    return this.fail(asError(thrown));
  }

  #initial() {
    if (!this.#start) throw { message: STILL_LOADING };
    return this.#start;
  }

  #known() {
    const { spec, hardware, defaults } = this.state;
    if (!spec || !hardware || !defaults) throw { message: STILL_LOADING };
    return { spec, hardware, defaults };
  }

  /**
   * @template T
   * @param {() => Promise<T>} work
   * @param {string} [after] event that tells of its success
   * @returns {Promise<T>}
   */
  #change(work, after = 'succeeded') {
    const done = async () => {
      const value = await work();
      this.#tell(after, undefined);
      return value;
    };
    const result = this.#changes.then(done).catch((thrown) => Promise.reject(this.refuse(thrown)));
    this.#changes = result.catch(() => undefined);
    return result;
  }

  #changed() {
    const { spec, hardware, defaults, choice } = this.state;
    if (spec && hardware && defaults) {
      const hash = hashFromFields({ ...spec, ...hardware }, choice, defaults);
      // Not an entry of its own in the browser's history: turning a knob twenty times is one visit.
      history.replaceState(history.state, '', location.pathname + location.search + (hash ? `#${hash}` : ''));
    }
    this.#tell('change', undefined);
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** @param {WorkerEvent} event */
  #hear(event) {
    take(this.state, event);
    this.#tell(event.type, event);
  }
}
