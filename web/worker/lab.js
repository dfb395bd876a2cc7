/**
 * The worker's side of the page: it holds the run, or a dropped checkpoint, and does what the page asks.
 * Calls reject with a plain `Failure`; what happens in between is told as `WorkerEvent`s.
 */

import { DEFAULT_CHOICE, sameChoice } from '../pruning.js';
import { Dropped } from './dropped.js';
import { asFailure } from './failure.js';
import { DataFiles, kindOfAll, read } from './files.js';
import { Holder } from './holder.js';
import { forget, kept, summary } from './keep.js';
import { Loop } from './loop.js';
import { Modules } from './modules.js';
import { prove } from './prove.js';
import { Queue } from './queue.js';
import { readReport } from './report-file.js';
import { ShownReport } from './shown-report.js';

/** @typedef {import('../types').Trainer} Trainer */
/** @typedef {import('../types').RunSpec} RunSpec */
/** @typedef {import('../types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types').PruneChoice} PruneChoice */
/** @typedef {import('../messages').WorkerEvent} WorkerEvent */

export class Lab {
  #queue = new Queue();
  /** @type {(event: WorkerEvent) => void} */
  #tell = () => undefined;
  /** @type {Modules | null} */ #modules = null;
  /** @type {DataFiles | null} */ #data = null;
  /** @type {Dropped | null} */ #dropped = null;
  /** @type {PruneChoice} */ #choice = DEFAULT_CHOICE;
  #holder = new Holder({
    modules: () => this.#ready(),
    queue: this.#queue,
    files: (data) => this.#files(data),
    tell: (event) => this.#tell(event),
    adopted: async (run) => {
      this.#forgetDropped();
      this.#loop.reset(run.device === 'webgpu', run.stepNumber);
      await this.#viewNow();
      if (run.stepNumber > 0) run.report();
    },
  });
  #loop = new Loop({
    step: () => this.#queue.run(() => this.#held().step()),
    view: () => this.#queue.run(() => this.#viewNow()),
    evaluate: (images) => this.#queue.run(() => this.#held().evaluate(images)),
    save: () => this.#queue.run(() => this.#held().save()),
    report: () => this.#queue.run(() => this.#held().report()),
    failed: (thrown) => this.#holder.recover(thrown),
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
    this.#modules = await Modules.load(base, {
      test: (test) => this.#queue.run(test),
      wanted: () => this.#modules?.wantsGpu(this.#run?.spec.device) ?? false,
      tell: (webgpu) => this.#tell({ type: 'webgpu', webgpu }),
      broken: (device, thrown) => (device === 'cpu' || this.#holder.usesGpu) && this.#queue.breakOff(thrown),
    });
    const { cpu } = this.#modules;
    return { ...cpu.defaults(), version: cpu.version(), published: cpu.published(), converters: cpu.converters() };
  }

  /**
   * The two specs with these fields applied and checked.
   * @param {RunSpec} spec @param {HardwareSpec} hardware @param {object} fields
   */
  async apply(spec, hardware, fields) {
    return this.#attempt(() => this.#ready().cpu.apply(spec, hardware, fields));
  }

  /** Starts loading the WebGPU module if it is served and worth having. */
  async prepareWebGpu() {
    const { gpu } = this.#ready();
    await gpu.looked;
    if (this.#ready().wantsGpu(this.#run?.spec.device)) await gpu.load();
  }

  /**
   * A fresh run in place of the present one, which is kept when the new one can't be had.
   * @param {RunSpec} spec @param {HardwareSpec} hardware @param {PruneChoice} choice
   */
  async open(spec, hardware, choice) {
    await this.#loop.stop();
    await this.#attempt(() => this.#with(choice, () => this.#holder.open(spec, hardware)));
  }

  /** Goes on from the run that the browser kept. @param {PruneChoice} choice */
  async resume(choice) {
    await this.#loop.stop();
    await this.#attempt(async () => {
      const last = await kept();
      if (!last) throw { message: 'the browser has kept no run' };
      await this.#with(choice, () => this.#holder.resume(last));
    });
  }

  /** The same run on the WebGPU device, from where it is. */
  async moveToWebGpu() {
    const running = this.#loop.running;
    await this.#loop.stop();
    await this.#attempt(async () => {
      if (!this.#ready().gpu.module) throw { message: 'the WebGPU module is not ready' };
      const run = this.#held();
      const saved = await this.#queue.run(() => run.checkpoint());
      await this.#holder.resume({ ...saved, spec: run.spec, hardware: run.hardware }, 'webgpu');
    });
    if (running) this.#loop.start();
  }

  async start() {
    await this.closeCheckpoint();
    this.#held();
    this.#loop.start();
  }

  async pause() {
    await this.#loop.stop();
  }

  async step() {
    await this.closeCheckpoint();
    await this.#loop.stop();
    this.#held();
    await this.#loop.once();
  }

  /** @param {HardwareSpec} hardware @param {PruneChoice} choice */
  async setHardware(hardware, choice) {
    await this.#attempt(() =>
      this.#queue.run(async () => {
        this.#run?.setHardware(hardware);
        if (this.#dropped?.fits(hardware)) this.#dropped.setHardware(hardware);
        else this.#forgetDropped();
        this.#choice = choice;
        await this.#viewNow();
      }),
    );
  }

  /** @param {PruneChoice} choice */
  async setChoice(choice) {
    this.#choice = choice;
    // A slider moves faster than views are made: only the last of the waiting choices counts.
    await this.#attempt(() => this.#queue.run(() => (choice === this.#choice ? this.#viewNow() : undefined)));
  }

  /** @param {number} layer @param {number} tile */
  async tile(layer, tile) {
    return this.#attempt(() => this.#queue.run(() => (this.#dropped?.checkpoint ?? this.#run?.trainer)?.tile(layer, tile, this.#choice) ?? null));
  }

  /** Accuracy if pruned so, without doing it; told as an event. @param {PruneChoice} choice @param {number} images */
  async tryOut(choice, images) {
    await this.#attempt(() =>
      this.#queue.run(async () => {
        // Another choice was made meanwhile, or there is no run to try it on.
        if (!this.#run || this.#dropped || !sameChoice(choice, this.#choice)) return;
        await this.#run.tryOut(choice, images);
      }),
    );
  }

  /** Energy of an inference by every model, of what is shown. */
  async inference() {
    const inference = await this.#attempt(() => this.#queue.run(() => this.#shown().inference(this.#choice)));
    if (inference) this.#tell({ type: 'inference', inference });
    return inference;
  }

  /**
   * Simulates held-out images, a few at a time so that others get their turn; a change of the run ends it.
   * @param {PruneChoice} choice @param {number} images
   */
  async prove(choice, images) {
    await this.#loop.stop();
    const run = this.#held();
    return this.#attempt(() => prove(this.#queue, run, () => run === this.#run, choice, images, this.#tell));
  }

  /** @param {number} layer @param {number} tile @param {number} column @param {number} image @param {number} position */
  async column(layer, tile, column, image, position) {
    return this.#attempt(() => this.#queue.run(() => this.#held().trainer.column_example(layer, tile, column, image, position)));
  }

  /** Prunes the trained network. @param {PruneChoice} choice @param {number} images to measure with */
  async prune(choice, images) {
    await this.#turn('Pruning, and measuring what it costs.', (trainer) => trainer.prune(choice, images));
    this.#choice = choice;
  }

  /** Begins fine-tuning; `start` then trains. @param {object} fields of RunSpec */
  finetune = (fields) => this.#turn('', (trainer) => trainer.finetune(fields));

  /** Back to the trained weights. */
  undo = () => this.#turn('', (trainer) => trainer.undo());

  /** The story takes a turn: training pauses, and the page hears where it is now. @param {string} busy @param {(trainer: Trainer) => Promise<void>} turn */
  async #turn(busy, turn) {
    await this.closeCheckpoint();
    await this.#loop.stop();
    await this.#attempt(() =>
      this.#queue.run(async () => {
        this.#tell({ type: 'busy', what: busy });
        const run = this.#held();
        await run.turn(turn);
        this.#loop.reset(run.device === 'webgpu', 0);
        await run.view(this.#choice);
        run.report();
        await run.save();
      }),
    );
  }

  async report() {
    return this.#attempt(() => this.#queue.run(() => this.#held().fullReport()));
  }

  /** The weights as they are; of a dropped checkpoint, pruned as chosen. */
  async weights() {
    return this.#attempt(() => this.#queue.run(() => this.#dropped?.checkpoint.pruned(this.#choice) ?? this.#held().trainer.weights()));
  }

  /** Masks of what is shown. */
  async masks() {
    return this.#attempt(() => this.#queue.run(() => this.#shown().masks(this.#choice)));
  }

  /** The ADC plan of what is shown, as CSV. */
  async adcPlan() {
    return this.#attempt(() => this.#queue.run(() => this.#shown().adc_plan(this.#choice)));
  }

  /**
   * Takes up data files or a checkpoint; reports are read and handed over.
   * @param {File[]} files @param {RunSpec} spec @param {HardwareSpec} hardware @param {PruneChoice} choice
   * @param {boolean} linear whether a checkpoint's 2-D layers are taken as well
   * @returns {Promise<import('../messages').Loaded>}
   */
  async load(files, spec, hardware, choice, linear) {
    return this.#attempt(async () => {
      const kind = kindOfAll(files.map((file) => file.name));
      if (kind === 'report') {
        const read = await Promise.all(files.map(readReport));
        const reports = read.map((report, at) => ({ name: files[at]?.name ?? '', report }));
        return { kind, reports, linear, shown: await this.#showReport(reports, hardware) };
      }
      if (kind === 'data') await this.#loadData(await Promise.all(files.map(read)), spec, hardware, choice);
      else if (files[0]) linear = await this.#loadCheckpoint(files[0], hardware, choice, linear);
      return { kind, reports: [], linear, shown: null };
    });
  }

  /** Back from a dropped checkpoint to the run. */
  async closeCheckpoint() {
    if (!this.#dropped) return;
    await this.#queue.run(async () => {
      this.#forgetDropped();
      await this.#viewNow();
    });
  }

  #forgetDropped() {
    this.#dropped?.checkpoint.free();
    this.#dropped = null;
  }

  kept = summary;
  forget = forget;

  /** @param {import('../types').NamedBytes[]} files @param {RunSpec} spec @param {HardwareSpec} hardware @param {PruneChoice} choice */
  async #loadData(files, spec, hardware, choice) {
    await this.#loop.stop();
    /** @type {RunSpec} */
    const changed = { ...spec, data: 'cifar10' };
    await this.#with(choice, () => this.#holder.open(changed, hardware, files));
    this.#data?.keep(files);
  }

  /** The dropped checkpoint once more, with or without its 2-D layers. @param {boolean} linear */
  async includeLinear(linear) {
    return this.#attempt(async () => {
      const dropped = this.#dropped;
      if (dropped?.file) await this.#loadCheckpoint(dropped.file, dropped.hardware, this.#choice, linear);
    });
  }

  /**
   * @param {File} file @param {HardwareSpec} hardware @param {PruneChoice} choice @param {boolean} linear
   * @returns {Promise<boolean>} whether 2-D layers were taken
   */
  async #loadCheckpoint(file, hardware, choice, linear) {
    this.#tell({ type: 'busy', what: `Reading ${file.name}.` });
    // Whether it can be drawn is known before the present view is given up.
    const dropped = await Dropped.read(this.#ready().cpu, file, linear, hardware, choice);
    await this.#loop.stop();
    await this.#queue.run(async () => {
      this.#forgetDropped();
      this.#dropped = dropped;
      this.#choice = choice;
      await this.#viewNow();
    });
    return dropped.linear;
  }

  /**
   * A single report is shown as it were the run, when it holds what to show.
   * @param {{ name: string, report: import('../types').Report }[]} reports @param {HardwareSpec} hardware
   */
  async #showReport(reports, hardware) {
    const one = reports.length === 1 ? reports[0] : undefined;
    if (!one || !ShownReport.canShow(one.report)) return null;
    await this.#loop.stop();
    await this.#queue.run(async () => {
      this.#forgetDropped();
      this.#dropped = Dropped.ofReport(one.report, hardware);
      await this.#viewNow();
    });
    return one.name;
  }

  /** Under this choice; under the one before when it fails. @param {PruneChoice} choice @param {() => Promise<void>} work */
  async #with(choice, work) {
    const before = this.#choice;
    this.#choice = choice;
    await work().catch((thrown) => {
      this.#choice = before;
      throw thrown;
    });
  }

  /** @param {string} data */
  async #files(data) {
    if (!this.#data) throw { message: 'the page is not ready yet' };
    return this.#data.of(data);
  }

  #ready() {
    if (!this.#modules) throw { message: 'the page is not ready yet' };
    return this.#modules;
  }

  /** What is shown: a dropped checkpoint, or else the run. */
  #shown() {
    return this.#dropped?.checkpoint ?? this.#held().trainer;
  }

  get #run() {
    return this.#holder.run;
  }

  #held() {
    return this.#holder.held();
  }

  async #viewNow() {
    if (this.#dropped) this.#tell({ type: 'view', view: this.#dropped.checkpoint.view(this.#choice), choice: this.#choice, step: 0, dropped: true });
    else await this.#run?.view(this.#choice);
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
