/**
 * The worker's side of the page: it holds the run, or a dropped checkpoint, and does what the page asks.
 * Calls reject with a plain `Failure`; what happens in between is told as `WorkerEvent`s.
 */

import { chooseDevice } from './device.js';
import { asFailure, isDeviceFailure, onPanic } from './failure.js';
import { DataFiles, kindOfAll, read } from './files.js';
import { forget, keep, kept, summary } from './keep.js';
import { Loop } from './loop.js';
import { Queue } from './queue.js';
import { WebGpu } from './webgpu.js';

/** @typedef {import('../types').Crossdub} Crossdub */
/** @typedef {import('../types').Trainer} Trainer */
/** @typedef {import('../types').Checkpoint} Checkpoint */
/** @typedef {import('../types').RunSpec} RunSpec */
/** @typedef {import('../types').HardwareSpec} HardwareSpec */
/** @typedef {'cpu' | 'webgpu'} Device */
/** @typedef {import('../messages').WorkerEvent} WorkerEvent */

export class Lab {
  #queue = new Queue();
  /** @type {(event: WorkerEvent) => void} */
  #tell = () => undefined;
  /** @type {Crossdub | null} */ #cpu = null;
  /** @type {WebGpu | null} */ #gpu = null;
  /** @type {DataFiles | null} */ #data = null;
  /** @type {Trainer | null} */ #trainer = null;
  /** @type {'cpu' | 'webgpu'} */ #device = 'cpu';
  /** @type {RunSpec | null} */ #spec = null;
  /** @type {HardwareSpec | null} */ #hardware = null;
  /** @type {Checkpoint | null} */ #dropped = null;
  /** Whether the work in line may wait for the GPU. */
  #usesGpu = false;
  #strength = 0;
  #step = 0;
  /** @type {Uint8Array | null} the last checkpoint of this run, to go on from when the device is lost */
  #saved = null;
  #loop = new Loop({
    step: () => this.#queue.run(() => this.#stepNow()),
    view: () => this.#queue.run(() => this.#viewNow()),
    evaluate: (images) => this.#queue.run(() => this.#evaluateNow(images)),
    save: () => this.#queue.run(() => this.#saveNow()),
    report: () => this.#queue.run(() => this.#reportNow()),
    failed: (thrown) => this.#failed(thrown),
    running: (running) => this.#tell({ type: 'running', running }),
  });

  /**
   * Loads the CPU module.
   * @param {string} base the page's address
   * @param {(event: WorkerEvent) => void} tell
   */
  async connect(base, tell) {
    this.#tell = tell;
    this.#data = new DataFiles(base);
    const address = new URL('pkg/cpu/crossdub.js', base).href;
    const cpu = /** @type {Crossdub} */ (await import(/* @vite-ignore */ address));
    await cpu.default();
    this.#cpu = cpu;
    /** @type {Promise<Float32Array> | undefined} */
    let expected;
    const selfTest = () => (expected ??= this.#queue.run(() => cpu.self_test()));
    this.#gpu = new WebGpu(base, selfTest, () => this.#wantsGpu(), (webgpu) => this.#tell({ type: 'webgpu', webgpu }));
    this.#gpu.lost.then((why) => this.#usesGpu && this.#queue.breakOff(new Error(why)));
    onPanic((device, why) => {
      if (device === 'webgpu') this.#gpu?.fail(why);
      else this.#queue.breakOff({ message: `${why}. Reload the page to go on.` });
    });
    return { ...cpu.defaults(), version: cpu.version() };
  }

  /**
   * The two specs with these fields applied and checked.
   * @param {RunSpec} spec @param {HardwareSpec} hardware @param {object} fields
   */
  async apply(spec, hardware, fields) {
    return this.#attempt(() => this.#module('cpu').apply(spec, hardware, fields));
  }

  /** Starts loading the WebGPU module if it is served and worth having. */
  async prepareWebGpu() {
    await this.#gpu?.looked;
    if (this.#wantsGpu()) await this.#gpu?.load();
  }

  #wantsGpu() {
    return this.#spec?.device === 'webgpu' || (this.#spec?.device === 'auto' && !this.#gpu?.state.software);
  }

  /**
   * A fresh run in place of the present one, which is kept when the new one can't be had.
   * @param {RunSpec} spec @param {HardwareSpec} hardware @param {number} strength
   */
  async open(spec, hardware, strength) {
    await this.#loop.stop();
    await this.#attempt(async () => {
      const files = await this.#files(spec.data);
      const { device, fallback } = await this.#choose(spec.device);
      await this.#adopt(device, fallback, hardware, strength, (module) => module.Trainer.open(spec, hardware, files));
    });
  }

  /** Goes on from the run that the browser kept. @param {number} strength */
  async resume(strength) {
    await this.#loop.stop();
    await this.#attempt(async () => {
      const last = await kept();
      if (!last) throw { message: 'the browser has kept no run' };
      const files = await this.#files(last.spec.data);
      const { device, fallback } = await this.#choose(last.spec.device);
      await this.#adopt(device, fallback, last.hardware, strength, (module) =>
        module.Trainer.resume(last.bytes, last.hardware, files),
      );
    });
  }

  /** The same run on the WebGPU device, from where it is. */
  async moveToWebGpu() {
    const running = this.#loop.running;
    await this.#loop.stop();
    await this.#attempt(async () => {
      if (!this.#gpu?.module || !this.#spec || !this.#trainer) throw { message: 'the WebGPU module is not ready' };
      const trainer = this.#trainer;
      const bytes = await this.#queue.run(() => trainer.checkpoint());
      await this.#adoptCheckpoint('webgpu', '', bytes);
    });
    if (running) this.#loop.start();
  }

  async start() {
    await this.closeCheckpoint();
    this.#running();
    this.#loop.start();
  }

  async pause() {
    await this.#loop.stop();
  }

  async step() {
    await this.closeCheckpoint();
    await this.#loop.stop();
    this.#running();
    await this.#loop.once();
  }

  /** @param {HardwareSpec} hardware @param {number} strength */
  async setHardware(hardware, strength) {
    await this.#attempt(() =>
      this.#queue.run(async () => {
        this.#trainer?.set_hardware(hardware);
        this.#dropped?.set_hardware(hardware);
        this.#hardware = hardware;
        this.#strength = strength;
        await this.#viewNow();
      }),
    );
  }

  /** @param {number} strength */
  async setStrength(strength) {
    this.#strength = strength;
    // A slider moves faster than views are made: only the last of the waiting strengths counts.
    await this.#attempt(() => this.#queue.run(() => (strength === this.#strength ? this.#viewNow() : undefined)));
  }

  /** @param {number} layer @param {number} tile */
  async tile(layer, tile) {
    return this.#attempt(() => this.#queue.run(() => this.#subject()?.tile(layer, tile, this.#strength) ?? null));
  }

  async report() {
    return this.#attempt(() =>
      this.#queue.run(async () => {
        const trainer = this.#running();
        await trainer.refresh();
        return trainer.report();
      }),
    );
  }

  async weights() {
    return this.#attempt(() => this.#queue.run(() => this.#running().weights()));
  }

  /**
   * Takes up data files or a checkpoint.
   * @param {File[]} files @param {RunSpec} spec @param {HardwareSpec} hardware @param {number} strength
   * @returns {Promise<'data' | 'checkpoint'>}
   */
  async load(files, spec, hardware, strength) {
    return this.#attempt(async () => {
      const kind = kindOfAll(files.map((file) => file.name));
      const given = await Promise.all(files.map(read));
      if (kind === 'data') await this.#loadData(given, spec, hardware, strength);
      else await this.#loadCheckpoint(/** @type {any} */ (given.at(-1)), hardware, strength);
      return kind;
    });
  }

  /** Back from a dropped checkpoint to the run. */
  async closeCheckpoint() {
    if (!this.#dropped) return;
    await this.#queue.run(async () => {
      this.#dropped?.free();
      this.#dropped = null;
      await this.#viewNow();
    });
  }

  /** What is known of the run that the browser kept. */
  kept = summary;
  forget = forget;

  /** @param {import('../types').NamedBytes[]} files @param {RunSpec} spec @param {HardwareSpec} hardware @param {number} strength */
  async #loadData(files, spec, hardware, strength) {
    await this.#loop.stop();
    const { device, fallback } = await this.#choose(spec.device);
    /** @type {RunSpec} */
    const changed = { ...spec, data: 'cifar10' };
    await this.#adopt(device, fallback, hardware, strength, (module) => module.Trainer.open(changed, hardware, files));
    this.#data?.keep(files);
  }

  /** @param {import('../types').NamedBytes} file @param {HardwareSpec} hardware @param {number} strength */
  async #loadCheckpoint(file, hardware, strength) {
    const parsed = this.#module('cpu').Checkpoint.parse(file.name, file.bytes);
    try {
      parsed.set_hardware(hardware);
      // Whether it can be drawn is known before the present view is given up.
      parsed.view(strength);
    } catch (thrown) {
      parsed.free();
      throw thrown;
    }
    await this.#loop.stop();
    await this.#queue.run(async () => {
      this.#dropped?.free();
      this.#dropped = parsed;
      this.#hardware = hardware;
      this.#strength = strength;
      await this.#viewNow();
    });
  }

  /** @param {string} data */
  async #files(data) {
    if (!this.#data) throw { message: 'the page is not ready yet' };
    return this.#data.of(data);
  }

  /** @param {Device} device */
  #module(device) {
    const module = device === 'webgpu' ? this.#gpu?.module : this.#cpu;
    if (!module) throw { message: `the ${device} module is not loaded` };
    return module;
  }

  #running() {
    if (!this.#trainer) throw { message: 'there is no run: CIFAR-10 was asked for, and its files are not here yet' };
    return this.#trainer;
  }

  #subject() {
    return this.#dropped ?? this.#trainer;
  }

  /** @param {RunSpec['device']} choice */
  #choose(choice) {
    return chooseDevice(choice, this.#gpu, (what) => this.#tell({ type: 'busy', what }));
  }

  /**
   * @param {Device} device @param {string} fallback @param {HardwareSpec} hardware @param {number} strength
   * @param {(module: Crossdub) => Promise<Trainer>} make
   */
  async #adopt(device, fallback, hardware, strength, make) {
    try {
      this.#usesGpu ||= device === 'webgpu';
      await this.#queue.run(() => this.#adoptNow(device, fallback, hardware, strength, make));
    } catch (thrown) {
      if (device !== 'webgpu' || !isDeviceFailure(thrown)) throw thrown;
      const { message } = asFailure(thrown);
      this.#gpu?.giveUp(message);
      await this.#adopt('cpu', `WebGPU failed (${message}). Training on the CPU instead.`, hardware, strength, make);
    }
  }

  /**
   * @param {Device} device @param {string} fallback @param {HardwareSpec} hardware @param {number} strength
   * @param {(module: Crossdub) => Promise<Trainer>} make
   */
  async #adoptNow(device, fallback, hardware, strength, make) {
    const trainer = await make(this.#module(device));
    if (this.#device === 'cpu' || this.#gpu?.module) this.#trainer?.free();
    this.#dropped?.free();
    this.#dropped = null;
    this.#trainer = trainer;
    this.#device = device;
    this.#usesGpu = device === 'webgpu';
    this.#hardware = hardware;
    this.#strength = strength;
    await trainer.refresh();
    const { spec, training } = trainer.report();
    this.#spec = spec;
    this.#step = training.step;
    this.#saved = null;
    this.#loop.reset(device === 'webgpu', training.step);
    const adapter = trainer.adapter();
    const { step, history } = training;
    this.#tell({ type: 'opened', opened: { spec, hardware, device, adapter, step, history }, fallback });
    await this.#viewNow();
  }

  /** @param {Device} device @param {string} fallback @param {Uint8Array} bytes */
  async #adoptCheckpoint(device, fallback, bytes) {
    const [spec, hardware] = [this.#spec, this.#hardware];
    if (!spec || !hardware) return;
    const files = await this.#files(spec.data);
    const strength = this.#strength;
    await this.#adopt(device, fallback, hardware, strength, (module) => module.Trainer.resume(bytes, hardware, files));
  }

  async #stepNow() {
    const progress = await this.#running().step();
    this.#step = progress.step;
    this.#tell({ type: 'progress', progress });
    return progress;
  }

  async #viewNow() {
    const subject = this.#subject();
    if (!subject) return;
    if (subject === this.#trainer) await this.#trainer.refresh();
    const dropped = subject === this.#dropped;
    this.#tell({ type: 'view', view: subject.view(this.#strength), step: this.#step, dropped });
  }

  /** @param {number} images */
  async #evaluateNow(images) {
    const evaluation = await this.#running().evaluate(images);
    this.#tell({ type: 'evaluation', evaluation, step: this.#step });
  }

  async #reportNow() {
    this.#tell({ type: 'report', report: this.#running().report() });
  }

  async #saveNow() {
    const [spec, hardware] = [this.#spec, this.#hardware];
    if (!spec || !hardware) return;
    const bytes = await this.#running().checkpoint();
    this.#saved = bytes;
    await keep({ bytes, spec, hardware, step: this.#step, when: Date.now() });
  }

  /**
   * Training failed: on a lost or failing GPU it goes on with the CPU from the last checkpoint; otherwise it
   * stops and says why.
   * @param {unknown} thrown
   * @returns {Promise<boolean>} whether to go on
   */
  async #failed(thrown) {
    const failure = asFailure(thrown);
    if (this.#device !== 'webgpu' || !isDeviceFailure(thrown)) {
      this.#tell({ type: 'failure', failure });
      return false;
    }
    this.#gpu?.giveUp(failure.message);
    // The dead module's objects are not even freed: any call into it may throw.
    this.#trainer = null;
    try {
      const [spec, hardware, saved] = [this.#spec, this.#hardware, this.#saved];
      if (!spec || !hardware) return false;
      const from = saved ? 'from the last checkpoint' : 'from the beginning';
      const fallback = `WebGPU failed (${failure.message}). Training goes on with the CPU, ${from}.`;
      if (saved) await this.#adoptCheckpoint('cpu', fallback, saved);
      else {
        const files = await this.#files(spec.data);
        await this.#adopt('cpu', fallback, hardware, this.#strength, (module) =>
          module.Trainer.open(spec, hardware, files),
        );
      }
      return true;
    } catch (again) {
      this.#tell({ type: 'failure', failure: asFailure(again) });
      return false;
    }
  }

  /**
   * @template T
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  async #attempt(work) {
    try {
      return await work();
    } catch (thrown) {
      // Comlink would drop an Error's own fields: what goes to the page is plain.
      throw asFailure(thrown);
    } finally {
      this.#tell({ type: 'busy', what: '' });
    }
  }
}
