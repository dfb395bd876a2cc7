/**
 * The page's side of the worker: what the page knows of the run, and what can be done with it.
 * Everything that shows something listens to it; `api.js` makes `window.crossdub` of it.
 */

import { proxy, wrap } from 'comlink';

import { DEFAULT_STRENGTH, MAX_STRENGTH, fieldsFromHash, hashFromFields } from './state.js';

/** @typedef {import('./types').RunSpec} RunSpec */
/** @typedef {import('./types').HardwareSpec} HardwareSpec */
/** @typedef {import('./types').Failure} Failure */
/** @typedef {import('./messages').Fields} Fields */
/** @typedef {import('./messages').Point} Point */
/** @typedef {import('./messages').WorkerEvent} WorkerEvent */
/** @typedef {import('comlink').Remote<import('./worker/lab.js').Lab>} RemoteLab */

const STILL_LOADING = 'The page is still loading: wait for crossdub.ready.';

/** A rejected call: one clear line, and the field it is about where there is one. */
export class CrossdubError extends Error {
  /** @param {Failure} failure */
  constructor({ message, field }) {
    super(message);
    this.name = 'CrossdubError';
    this.field = field;
  }
}

/** @param {unknown} thrown @returns {CrossdubError} */
function asError(thrown) {
  if (thrown instanceof CrossdubError) return thrown;
  const failure = /** @type {Failure} */ (thrown);
  const message = typeof failure?.message === 'string' ? failure.message : String(thrown);
  return new CrossdubError({ message, field: failure?.field });
}

/** What the page shows. */
function blank() {
  return {
    /** @type {RunSpec | null} */ spec: null,
    /** @type {HardwareSpec | null} */ hardware: null,
    /** @type {(RunSpec & HardwareSpec) | null} */ defaults: null,
    strength: DEFAULT_STRENGTH,
    version: '',
    /** @type {import('./messages').Opened | null} */ opened: null,
    running: false,
    busy: 'Loading the training module.',
    /** @type {import('./types').Progress | null} */ progress: null,
    /** @type {import('./types').View | null} */ view: null,
    /** @type {import('./types').Evaluation | null} */ evaluation: null,
    /** @type {Point[]} */ history: [],
    /** @type {import('./messages').WebGpuState} */
    webgpu: { state: 'looking', adapter: '', software: false, why: '' },
    /** Name of the dropped checkpoint that is shown in place of the run. */
    dropped: '',
  };
}

export class Session extends EventTarget {
  state = blank();
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
      const { spec, hardware, version } = await this.lab.connect(document.baseURI, proxy((event) => this.#hear(event)));
      this.#start = { spec, hardware };
      Object.assign(this.state, { spec, hardware, version, defaults: { ...spec, ...hardware } });
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
      let strength = DEFAULT_STRENGTH;
      const left = { ...fields };
      if (left.strength !== undefined && isStrength(left.strength)) strength = left.strength;
      else if (left.strength !== undefined) unread.push(`strength=${left.strength}`);
      delete left.strength;
      const next = await this.#applyTolerantly(base, left, unread);
      if (unread.length > 0) {
        const message = `The address asks for ${unread.join(', ')}, which can't be had: the default is used.`;
        this.fail(new CrossdubError({ message }));
      }
      // Data files can't be named in an address: the spec stands, and the page asks for them.
      Object.assign(this.state, next, { strength });
      await this.lab.open(next.spec, next.hardware, strength).catch((thrown) => {
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
      const { strength = this.state.strength, ...rest } = Object(fields);
      if (!isStrength(strength)) {
        throw { message: `invalid strength (${strength}): takes 0 to ${MAX_STRENGTH} percent`, field: 'strength' };
      }
      const next = await this.lab.apply(known.spec, known.hardware, rest);
      const same = (/** @type {unknown} */ a, /** @type {unknown} */ b) => JSON.stringify(a) === JSON.stringify(b);
      if (!same(next.spec, known.spec)) await this.lab.open(next.spec, next.hardware, strength);
      else if (!same(next.hardware, known.hardware)) await this.lab.setHardware(next.hardware, strength);
      else if (strength !== this.state.strength) await this.setStrength(strength);
      Object.assign(this.state, next, { strength });
      this.#changed();
    });
  }

  /** @param {number} strength */
  async setStrength(strength) {
    this.state.strength = strength;
    this.#tell('strength', undefined);
    await this.lab.setStrength(strength);
  }

  start() {
    return this.#change(async () => {
      if (this.state.progress?.finished) throw { message: 'The run is complete. Reset it to train again.' };
      this.#known();
      await this.lab.start();
      this.state.dropped = '';
      this.#changed();
    });
  }

  pause() {
    return this.#change(() => this.lab.pause());
  }

  step() {
    return this.#change(async () => {
      if (this.state.progress?.finished) throw { message: 'The run is complete. Reset it to train again.' };
      await this.lab.step();
      this.state.dropped = '';
      this.#changed();
    });
  }

  reset() {
    return this.#change(async () => {
      const { spec, hardware } = this.#known();
      await this.lab.open(spec, hardware, this.state.strength);
    });
  }

  report() {
    return this.lab.report().catch((thrown) => Promise.reject(this.refuse(thrown)));
  }

  /** @param {File | Iterable<File>} file */
  load(file) {
    const files = file instanceof Blob ? [file] : [...file];
    return this.#change(async () => {
      const { spec, hardware } = this.#known();
      const kind = await this.lab.load(files, spec, hardware, this.state.strength);
      this.state.dropped = kind === 'checkpoint' ? (files.at(-1)?.name ?? '') : '';
      this.#changed();
    });
  }

  /** Back from a dropped checkpoint to the run. */
  closeCheckpoint() {
    return this.#change(async () => {
      await this.lab.closeCheckpoint();
      this.state.dropped = '';
      this.#changed();
    });
  }

  /** Goes on from the run that the browser kept. */
  resume() {
    return this.#change(async () => {
      await this.lab.resume(this.state.strength);
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
    const { spec, hardware, defaults, strength } = this.state;
    if (spec && hardware && defaults) {
      const hash = hashFromFields({ ...spec, ...hardware }, strength, defaults);
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
    const { state } = this;
    if (event.type === 'opened') {
      const { opened } = event;
      const history = opened.history.map((entry) => ({ ...entry, strength: null }));
      const { spec, hardware } = opened;
      Object.assign(state, { opened, spec, hardware, history, progress: null, evaluation: null, dropped: '', busy: '' });
    } else if (event.type === 'progress') {
      state.progress = event.progress;
      state.busy = '';
      const { step, loss, regularizer } = event.progress;
      const empty = { accuracy: null, improvement_paper: null, improvement_lossless: null, strength: null };
      state.history.push({ step, loss, regularizer, ...empty });
    } else if (event.type === 'view') {
      state.view = event.view;
      if (!event.dropped) this.#measured(event.view, event.step);
    } else if (event.type === 'evaluation') {
      state.evaluation = event.evaluation;
      const point = state.history.at(-1);
      if (point?.step === event.step) point.accuracy = event.evaluation.accuracy;
    } else if (event.type === 'running') {
      state.running = event.running;
    } else if (event.type === 'busy') {
      state.busy = event.what;
    } else if (event.type === 'webgpu') {
      state.webgpu = event.webgpu;
    }
    this.#tell(event.type, event);
  }

  /** @param {import('./types').View} view @param {number} step */
  #measured(view, step) {
    const point = this.state.history.at(-1);
    if (point?.step !== step) return;
    const { strength, energy } = view.preview;
    point.improvement_paper = energy.paper.improvement;
    point.improvement_lossless = energy.lossless.improvement;
    point.strength = strength;
  }
}

/** @param {unknown} value @returns {value is number} */
function isStrength(value) {
  return typeof value === 'number' && value >= 0 && value <= MAX_STRENGTH;
}
