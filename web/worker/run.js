/** The run that the worker holds: its trainer, where it is, and what is told of it. Never called while a call is unfinished. */

import { keep } from './keep.js';

/** @typedef {import('../types/types').Trainer} Trainer */
/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {import('../types/messages').Saved} Saved */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */

export class Run {
  /** The last checkpoint, to go on from when the device is lost. @type {Saved | null} */
  saved = null;
  #tell;

  /**
   * @param {Trainer} trainer @param {'cpu' | 'webgpu'} device @param {HardwareSpec} hardware
   * @param {(event: WorkerEvent) => void} tell
   */
  constructor(trainer, device, hardware, tell) {
    this.trainer = trainer;
    this.device = device;
    this.hardware = hardware;
    this.#tell = tell;
    const { spec, training } = trainer.report();
    /** @type {RunSpec} */
    this.spec = spec;
    /** Over all phases. */
    this.stepNumber = training.step;
  }

  /** What the page is told when it is taken up. @returns {import('../types/messages').Opened} */
  opened() {
    const { training, stages = [] } = this.trainer.report();
    const { spec, hardware, device } = this;
    const { history } = training;
    return {
      spec,
      hardware,
      device,
      adapter: this.trainer.adapter(),
      position: this.trainer.position(),
      history,
      stages,
    };
  }

  /** @param {HardwareSpec} hardware */
  setHardware(hardware) {
    this.trainer.set_hardware(hardware);
    this.hardware = hardware;
  }

  async step() {
    const progress = await this.trainer.step();
    this.stepNumber = progress.before + progress.step;
    this.#tell({ type: 'progress', progress });
    return progress;
  }

  /** @param {PruneChoice} choice */
  async view(choice) {
    await this.trainer.refresh();
    this.#tell({
      type: 'view',
      view: this.trainer.view(choice),
      choice,
      step: this.stepNumber,
      dropped: false,
    });
  }

  /** @param {number} images */
  async evaluate(images) {
    const evaluation = await this.trainer.evaluate(images);
    this.#tell({ type: 'evaluation', evaluation, step: this.stepNumber });
  }

  /** @param {PruneChoice} choice @param {number} images */
  async tryOut(choice, images) {
    const evaluation = await this.trainer.try_out(choice, images);
    this.#tell({ type: 'trial', choice, evaluation, step: this.stepNumber });
  }

  async fullReport() {
    await this.trainer.refresh();
    return this.trainer.report();
  }

  report() {
    this.#tell({ type: 'report', report: this.trainer.report() });
  }

  /** Another phase begins: the page hears where the run is now. @param {(trainer: Trainer) => Promise<void>} turn */
  async turn(turn) {
    await turn(this.trainer);
    const report = this.trainer.report();
    this.stepNumber = report.training.step;
    this.#tell({ type: 'turn', report, position: this.trainer.position() });
  }

  /** Everything needed to go on. @returns {Promise<Saved>} */
  async checkpoint() {
    const bytes = await this.trainer.checkpoint();
    return { bytes, earlier: this.trainer.earlier() };
  }

  async save() {
    this.saved = await this.checkpoint();
    const { spec, hardware, stepNumber } = this;
    await keep({ ...this.saved, spec, hardware, step: stepNumber, when: Date.now() });
  }
}
