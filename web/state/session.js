/**
 * The page's side of the worker: what the page knows of the run, and what can be done with it.
 * Everything that shows something listens to it; `api.js` makes `window.crossdub` of it.
 */

import { proxy, wrap } from 'comlink';

import { readAddress } from './address.js';
import { allCounts, fieldsOf, filesOf } from '../api/arguments.js';
import { CrossdubError, asError } from '../api/errors.js';
import { blank, choose, take } from './known.js';
import { DEFAULT_CHOICE, isChoiceField, refusalOf, splitChoice } from './pruning.js';
import { Runs } from '../runs/runs.js';
import { hashFromFields } from './state.js';

/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {import('../types/messages').Fields} Fields */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {import('comlink').Remote<import('../worker/lab.js').Lab>} RemoteLab */

/** Images to measure an accuracy with while someone waits. */
const LEAST_IMAGES = 200;
const MOST_IMAGES = 500;
/** @param {unknown} a @param {unknown} b */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

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
    const worker = new Worker(new URL('../worker/worker.js', import.meta.url), { type: 'module' });
    worker.addEventListener('error', (event) => {
      this.fail(
        new CrossdubError({
          message: `The training worker failed: ${event.message || 'it could not be loaded'}.`,
        }),
      );
    });
    this.lab = wrap(worker);
  }

  /**
   * Loads the module and opens the run that the address asks for.
   * @param {string} hash
   */
  async open(hash) {
    try {
      const { spec, hardware, version, published, converters } = await this.lab.connect(
        document.baseURI,
        proxy((event) => this.#hear(event)),
      );
      this.#start = { spec, hardware };
      Object.assign(this.state, {
        spec,
        hardware,
        version,
        published,
        converters,
        defaults: { ...spec, ...hardware },
      });
      await this.follow(hash);
      void this.lab.prepareWebGpu();
    } catch (thrown) {
      this.state.busy = '';
      this.#changed();
      throw this.refuse(thrown);
    }
  }

  /**
   * Takes up the address's fields, and keeps the run where they leave it as it is; what is wrong in them is left out
   * and said in one line.
   * @param {string} hash
   */
  follow(hash) {
    return this.#change(async () => {
      const base = structuredClone(this.#initial());
      const { next, choice, refusal } = await readAddress(hash, base, this.#known().defaults, (...of) =>
        this.lab.apply(...of),
      );
      if (refusal) this.fail(new CrossdubError({ message: refusal }));
      const first = !this.state.opened;
      try {
        await this.#take(next, choice, false);
      } catch (thrown) {
        const { field } = this.refuse(thrown);
        if (first && field === 'data') {
          // Data files can't be named in an address: the spec stands, and the page asks for them.
          Object.assign(this.state, next, { choice, busy: '' });
        } else if (first) {
          // A page without a run shows nothing: the default one, on the device that was asked for.
          await this.#take({ ...base, spec: { ...base.spec, device: next.spec.device } }, choice, false);
        }
      }
      this.#changed();
    }, 'followed');
  }

  /**
   * Brings the run, its hardware and what is previewed to this, with no more than has to change.
   * @param {{ spec: RunSpec, hardware: HardwareSpec }} next @param {PruneChoice} choice
   * @param {boolean} strictly whether a choice that can't be had there is refused; else another is previewed
   */
  async #take({ spec, hardware }, choice, strictly) {
    const { state } = this;
    let previewed = choice;
    if (!state.opened || !same(spec, state.spec))
      previewed = await this.lab.open(spec, hardware, choice, strictly);
    else if (!same(hardware, state.hardware)) {
      previewed = await this.lab.setHardware(hardware, choice, strictly);
      state.proof = null;
    } else if (!same(choice, state.choice)) previewed = await this.lab.setChoice(choice);
    Object.assign(state, { spec, hardware });
    choose(state, previewed);
    this.#changed();
  }

  /** @returns {RunSpec & HardwareSpec} */
  spec() {
    const { spec, hardware } = this.#known();
    return structuredClone({ ...spec, ...hardware });
  }

  /** @param {Fields} fields */
  set(fields) {
    return this.#change(async () => {
      const { spec, hardware } = this.#known();
      const { choice: asked, rest } = splitChoice(fieldsOf(fields, 'set'));
      const choice = this.#choice(asked);
      await this.#take(await this.lab.apply(spec, hardware, rest), choice, Object.keys(asked).length > 0);
    });
  }

  start() {
    return this.#change(async () => {
      if (this.state.position?.finished) throw { message: 'The run is complete. Reset it to train again.' };
      this.#known();
      await this.lab.start();
      Object.assign(this.state, { dropped: '', shown: null });
      this.#changed();
    });
  }

  /** Prunes as chosen, with these fields changed first. @param {Partial<PruneChoice>} fields */
  prune(fields) {
    return this.#change(async () => {
      const choice = this.#choice(fieldsOf(fields, 'prune'));
      await this.lab.prune(choice, this.#images());
      choose(this.state, choice);
      Object.assign(this.state, { dropped: '', shown: null });
      this.#changed();
    });
  }

  /** Trains on with what is pruned kept at zero. @param {Partial<RunSpec>} fields */
  finetune(fields) {
    return this.#change(async () => {
      await this.lab.finetune(fieldsOf(fields, 'finetune'));
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
    return this.#asked(() => this.lab.inference());
  }

  /**
   * Simulates held-out images on the present hardware, some at a time, until so many are done or it is stopped.
   * @param {{ images?: number }} options
   */
  prove(options) {
    // Not one of the changes: those need not wait for it.
    return this.#asked(async () => {
      const { images = 50 } = fieldsOf(options, 'prove');
      if (!Number.isInteger(images) || images < 1)
        throw { message: `invalid images (${images}): takes 1 or more`, field: 'images' };
      await this.#changes;
      return this.lab.prove(this.state.choice, images);
    });
  }

  /**
   * One column of the simulated network.
   * @param {{ layer: number, tile: number, column: number, image?: number, position?: number }} at
   * @param {boolean} [quietly] whether a refusal is not said: the caller only looks
   */
  column(at, quietly = false) {
    const example = async () => {
      const { layer, tile, column, image = 0, position = 0 } = fieldsOf(at, 'column');
      allCounts({ layer, tile, column, image, position });
      return this.lab.column(layer, tile, column, image, position);
    };
    return quietly ? example() : this.#asked(example);
  }

  /** Measures the accuracy of the previewed pruning. */
  tryOut() {
    return this.lab.tryOut(this.state.choice, this.#images());
  }

  /** So many held-out images take about a second on this device. */
  #images() {
    const speed =
      this.state.progress?.images_per_second ?? this.state.report?.training.images_per_second ?? LEAST_IMAGES;
    return Math.round(Math.min(MOST_IMAGES, Math.max(LEAST_IMAGES, 3 * speed)));
  }

  /** The present choice with these fields; thrown when one can't be had. @param {object} fields */
  #choice(fields) {
    for (const [name, value] of Object.entries(fields)) {
      const refusal = isChoiceField(name)
        ? refusalOf(name, value)
        : {
            message: `invalid ${name}: pruning takes ${Object.keys(DEFAULT_CHOICE).join(', ')}`,
            field: name,
          };
      if (refusal) throw refusal;
    }
    return { ...this.state.choice, ...fields };
  }

  pause() {
    return this.#change(() => this.lab.pause());
  }

  step() {
    return this.#change(async () => {
      if (this.state.position?.finished) throw { message: 'The run is complete. Reset it to train again.' };
      await this.lab.step();
      Object.assign(this.state, { dropped: '', shown: null });
      this.#changed();
    });
  }

  reset() {
    return this.#change(async () => {
      const { spec, hardware } = this.#known();
      choose(this.state, await this.lab.open(spec, hardware, this.state.choice, false));
      this.#changed();
    });
  }

  /** On what is shown, after the changes that were asked for before. */
  report() {
    return this.#asked(async () => {
      await this.#changes;
      return this.lab.report();
    });
  }

  weights() {
    return this.#asked(() => this.lab.weights());
  }

  masks() {
    return this.#asked(() => this.lab.masks());
  }

  adcPlan() {
    return this.#asked(() => this.lab.adcPlan());
  }

  /** @param {File | Iterable<File>} file @param {{ linear?: boolean }} [options] */
  load(file, { linear = false } = {}) {
    return this.#change(async () => {
      const files = filesOf(file);
      const { spec, hardware } = this.#known();
      const { kind, reports, shown, ...taken } = await this.lab.load(
        files,
        spec,
        hardware,
        this.state.choice,
        linear,
      );
      for (const { name, report } of reports)
        this.runs.add(report, report.name || name.replace(/\.json$/i, ''));
      if (kind === 'report' && shown === null) return;
      const dropped = kind === 'checkpoint' ? (files[0]?.name ?? '') : (shown ?? '');
      Object.assign(this.state, {
        dropped,
        linear: taken.linear,
        both: taken.both,
        proof: null,
        shown: shown === null ? null : (reports[0]?.report ?? null),
        inference: null,
      });
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
    return this.#change(async () => this.runs.keep(await this.lab.runReport(), name));
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
      choose(this.state, await this.lab.resume(this.state.choice));
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

  /**
   * An answer, or its refusal said.
   * @template T
   * @param {() => Promise<T>} ask
   * @returns {Promise<T>}
   */
  async #asked(ask) {
    try {
      return await ask();
    } catch (thrown) {
      throw this.refuse(thrown);
    }
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
    if (event.type === 'choice') this.#changed();
  }
}
