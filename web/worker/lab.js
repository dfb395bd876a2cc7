/**
 * The worker's side of the page: it holds the run, or a dropped checkpoint, and does what the page asks.
 * Calls reject with a plain `Failure`; what happens in between is told as `WorkerEvent`s.
 */

import { sameChoice } from '../state/pruning.js';
import { Display } from './display.js';
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

/** @typedef {import('../types/types').Trainer} Trainer */
/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */

export class Lab {
  #queue = new Queue();
  /** @type {(event: WorkerEvent) => void} */
  #tell = () => undefined;
  /** @type {Modules | null} */ #modules = null;
  /** @type {DataFiles | null} */ #data = null;
  #holder = new Holder({
    modules: () => this.#ready(),
    queue: this.#queue,
    files: (data) => this.#files(data),
    tell: (event) => this.#tell(event),
    adopted: async (run) => {
      this.#display.forget();
      this.#loop.reset(run.device === 'webgpu', run.stepNumber);
      await this.#display.view();
      if (run.stepNumber > 0) run.report();
    },
  });
  #display = new Display({
    run: () => this.#run,
    held: () => this.#held(),
    tell: (event) => this.#tell(event),
  });
  #loop = new Loop({
    step: () => this.#queue.run(() => this.#held().step()),
    view: () => this.#queue.run(() => this.#display.view()),
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
    return {
      ...cpu.defaults(),
      version: cpu.version(),
      published: cpu.published(),
      converters: cpu.converters(),
    };
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
   * A fresh run in place of the present one, which goes on when the new one can't be had.
   * @param {RunSpec} spec @param {HardwareSpec} hardware @param {PruneChoice} choice
   * @param {boolean} strictly whether a choice that can't be had of it counts too; else another is previewed
   * @returns {Promise<PruneChoice>} what is previewed
   */
  async open(spec, hardware, choice, strictly) {
    const check = strictly ? (/** @type {Trainer} */ trainer) => void trainer.view(choice) : undefined;
    await this.#paused(() => this.#with(choice, () => this.#holder.open(spec, hardware, { check })));
    return this.#display.choice;
  }

  /** Goes on from the run that the browser kept. @param {PruneChoice} choice @returns {Promise<PruneChoice>} what is previewed */
  async resume(choice) {
    await this.#paused(async () => {
      const last = await kept();
      if (!last) throw { message: 'the browser has kept no run' };
      await this.#with(choice, () => this.#holder.resume(last));
    });
    return this.#display.choice;
  }

  /** The same run on the WebGPU device, from where it is. */
  async moveToWebGpu() {
    const { running } = this.#loop;
    await this.#paused(async () => {
      if (!this.#ready().gpu.module) throw { message: 'the WebGPU module is not ready' };
      const run = this.#held();
      const saved = await this.#queue.run(() => run.checkpoint());
      await this.#holder.resume({ ...saved, spec: run.spec, hardware: run.hardware }, 'webgpu');
    });
    if (running) this.#loop.start();
  }

  async start() {
    this.#held();
    await this.closeCheckpoint();
    this.#loop.start();
  }

  async pause() {
    await this.#loop.stop();
  }

  async step() {
    this.#held();
    await this.closeCheckpoint();
    await this.#loop.stop();
    await this.#loop.once();
  }

  /**
   * @param {HardwareSpec} hardware @param {PruneChoice} choice @param {boolean} strictly as for `open`
   * @returns {Promise<PruneChoice>} what is previewed
   */
  async setHardware(hardware, choice, strictly) {
    await this.#attempt(() => this.#queue.run(() => this.#display.setHardware(hardware, choice, strictly)));
    return this.#display.choice;
  }

  /** @param {PruneChoice} choice @returns {Promise<PruneChoice>} what is previewed */
  async setChoice(choice) {
    await this.#attempt(() => this.#queue.run(() => this.#display.viewUnder(choice)));
    return this.#display.choice;
  }

  /** @param {number} layer @param {number} tile */
  async tile(layer, tile) {
    return this.#attempt(() => this.#queue.run(() => this.#display.tile(layer, tile)));
  }

  /** Accuracy if pruned so, without doing it; told as an event. @param {PruneChoice} choice @param {number} images */
  async tryOut(choice, images) {
    await this.#attempt(() =>
      this.#queue.run(async () => {
        // Another choice was made meanwhile, or there is no run to try it on.
        if (!this.#run || this.#display.dropped || !sameChoice(choice, this.#display.choice)) return;
        await this.#run.tryOut(choice, images);
      }),
    );
  }

  /** Energy of an inference by every model, of what is shown. */
  async inference() {
    const inference = await this.#attempt(() =>
      this.#queue.run(() => this.#display.shown().inference(this.#display.choice)),
    );
    if (inference) this.#tell({ type: 'inference', inference });
    return inference;
  }

  /**
   * Simulates held-out images, a few at a time so that others get their turn; a change of the run ends it.
   * @param {PruneChoice} choice @param {number} images
   */
  async prove(choice, images) {
    return this.#attempt(async () => {
      this.#display.refuseWithoutNetwork();
      const run = this.#held();
      await this.#loop.stop();
      return prove(this.#queue, run, () => run === this.#run, choice, images, this.#tell);
    });
  }

  /** @param {number} layer @param {number} tile @param {number} column @param {number} image @param {number} position */
  async column(layer, tile, column, image, position) {
    return this.#attempt(() =>
      this.#queue.run(() => {
        this.#display.refuseWithoutNetwork();
        return this.#held().trainer.column_example(layer, tile, column, image, position);
      }),
    );
  }

  /** Prunes the trained network. @param {PruneChoice} choice @param {number} images to measure with */
  async prune(choice, images) {
    await this.#turn('Pruning, and measuring what it costs.', (trainer) => trainer.prune(choice, images));
    this.#display.choice = choice;
  }

  /** Begins fine-tuning; `start` then trains. @param {object} fields of RunSpec */
  finetune = (fields) => this.#turn('', (trainer) => trainer.finetune(fields));

  /** Back to the trained weights. */
  undo = () => this.#turn('', (trainer) => trainer.undo());

  /** The story takes a turn: training pauses, and the page hears where it is now. @param {string} busy @param {(trainer: Trainer) => Promise<void>} turn */
  async #turn(busy, turn) {
    await this.#paused(() =>
      this.#queue.run(async () => {
        this.#tell({ type: 'busy', what: busy });
        const run = this.#held();
        await run.turn(turn);
        this.#loop.reset(run.device === 'webgpu', 0);
        this.#display.forget();
        await this.#display.view();
        run.report();
        await run.save();
      }),
    );
  }

  /** On what is shown. */
  async report() {
    return this.#attempt(() => this.#queue.run(() => this.#display.report()));
  }

  /** On the run, whatever is shown. */
  async runReport() {
    return this.#attempt(() => this.#queue.run(() => this.#held().fullReport()));
  }

  async weights() {
    return this.#attempt(() => this.#queue.run(() => this.#display.weights()));
  }

  /** Masks of what is shown. */
  async masks() {
    return this.#attempt(() => this.#queue.run(() => this.#display.shown().masks(this.#display.choice)));
  }

  /** The ADC plan of what is shown, as CSV. */
  async adcPlan() {
    return this.#attempt(() => this.#queue.run(() => this.#display.shown().adc_plan(this.#display.choice)));
  }

  /**
   * Takes up data files or a checkpoint; reports are read and handed over.
   * @param {File[]} files @param {RunSpec} spec @param {HardwareSpec} hardware @param {PruneChoice} choice
   * @param {boolean} linear whether a checkpoint's 2-D layers are taken as well
   * @returns {Promise<import('../types/messages').Loaded>}
   */
  async load(files, spec, hardware, choice, linear) {
    return this.#attempt(async () => {
      const kind = kindOfAll(files.map((file) => file.name));
      if (kind === 'report') {
        const read = await Promise.all(files.map(readReport));
        const reports = read.map((report, at) => ({ name: files[at]?.name ?? '', report }));
        return {
          kind,
          reports,
          linear: false,
          both: false,
          shown: await this.#showReport(reports, hardware),
        };
      }
      if (kind === 'data') await this.#loadData(await Promise.all(files.map(read)), spec, hardware, choice);
      else if (files[0]) await this.#loadCheckpoint(files[0], hardware, linear);
      const { linear: taken = false, both = false } = this.#display.dropped ?? {};
      return { kind, reports: [], linear: taken, both, shown: null };
    });
  }

  /** Back from a dropped checkpoint to the run. */
  async closeCheckpoint() {
    if (!this.#display.dropped) return;
    await this.#queue.run(async () => {
      this.#display.forget();
      await this.#display.view();
    });
  }

  kept = summary;
  forget = forget;

  /** @param {import('../types/types').NamedBytes[]} files @param {RunSpec} spec @param {HardwareSpec} hardware @param {PruneChoice} choice */
  async #loadData(files, spec, hardware, choice) {
    /** @type {RunSpec} */
    const changed = { ...spec, data: 'cifar10' };
    await this.#paused(() => this.#with(choice, () => this.#holder.open(changed, hardware, { files })));
    this.#data?.keep(files);
  }

  /** The dropped checkpoint once more, with or without its 2-D layers. @param {boolean} linear */
  async includeLinear(linear) {
    return this.#attempt(async () => {
      const { dropped } = this.#display;
      if (dropped?.file) await this.#loadCheckpoint(dropped.file, dropped.hardware, linear);
    });
  }

  /** @param {File} file @param {HardwareSpec} hardware @param {boolean} linear */
  async #loadCheckpoint(file, hardware, linear) {
    this.#tell({ type: 'busy', what: `Reading ${file.name}.` });
    // Whether it can be drawn is known before the present view is given up.
    await this.#show(await Dropped.read(this.#ready().cpu, file, linear, hardware));
  }

  /**
   * A single report is shown as it were the run, when it holds what to show.
   * @param {{ name: string, report: import('../types/types').Report }[]} reports @param {HardwareSpec} hardware
   */
  async #showReport(reports, hardware) {
    const one = reports.length === 1 ? reports[0] : undefined;
    if (!one || !ShownReport.canShow(one.report)) return null;
    await this.#show(Dropped.ofReport(one.name, one.report, hardware));
    return one.name;
  }

  /** @param {Dropped} dropped */
  async #show(dropped) {
    await this.#loop.stop();
    await this.#queue.run(async () => {
      this.#display.show(dropped);
      await this.#display.view();
    });
  }

  /** Under this choice; under the one before when it fails. @param {PruneChoice} choice @param {() => Promise<void>} work */
  async #with(choice, work) {
    const before = this.#display.choice;
    this.#display.choice = choice;
    await work().catch((thrown) => {
      this.#display.choice = before;
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

  get #run() {
    return this.#holder.run;
  }

  #held() {
    return this.#holder.held();
  }

  /**
   * While training pauses; it goes on when the work was refused.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async #paused(work) {
    const { running } = this.#loop;
    await this.#loop.stop();
    try {
      return await this.#attempt(work);
    } catch (refused) {
      if (running && this.#run) this.#loop.start();
      throw refused;
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
