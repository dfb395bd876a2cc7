/**
 * The training loop: step after step, with pauses that let messages through, and from time to time an update of
 * what is displayed, an evaluation, a report and a checkpoint.
 */

import { nextTask } from './task.js';

/** @typedef {import('../types/types').Progress} Progress */

/**
 * @typedef {object} Tasks
 * @property {() => Promise<Progress>} step
 * @property {() => Promise<void>} show
 * @property {(images: number) => Promise<void>} evaluate
 * @property {() => Promise<void>} save
 * @property {() => Promise<void>} report
 * @property {(thrown: unknown) => Promise<boolean>} recover resolves to whether training continues, and emits the
 * failure if not
 * @property {(thrown: unknown) => Promise<void>} recoverOrThrow rejects if training does not continue
 * @property {(running: boolean) => void} onRunning
 */

const SHOW_MS = 700;
const REPORT_MS = 5000;
const EVALUATE_STEPS = 50;
const EVALUATE_IMAGES = 500;
const SAVE_STEPS = 100;
/** A GPU can be lost without warning: its runs are also saved by time. */
const SAVE_GPU_MS = 30_000;

export class Loop {
  running = false;
  #tasks;
  #stopping = false;
  /** @type {Promise<void>} */
  #ended = Promise.resolve();
  #gpu = false;
  #last = { show: 0, report: 0, save: 0, saveStep: 0, evaluateStep: 0, evaluate: 0 };
  #cost = { show: 0, evaluate: 0 };

  /** @param {Tasks} tasks */
  constructor(tasks) {
    this.#tasks = tasks;
  }

  /**
   * Another run: forgets the last one's measurements.
   * @param {boolean} gpu
   * @param {number} step
   */
  reset(gpu, step) {
    this.#gpu = gpu;
    this.#last = {
      show: 0,
      report: 0,
      save: performance.now(),
      saveStep: step,
      evaluateStep: step,
      evaluate: 0,
    };
    this.#cost = { show: 0, evaluate: 0 };
  }

  start() {
    if (this.running) {
      this.#stopping = false;
      return;
    }
    this.running = true;
    this.#stopping = false;
    this.#tasks.onRunning(true);
    this.#ended = this.#go();
  }

  /** Resolves when the step in progress, and what follows it, is done. */
  async stop() {
    this.#stopping = true;
    await this.#ended;
  }

  /** One step, displayed. Rejects if it fails. */
  async once() {
    try {
      await this.#tasks.step();
      await this.#tasks.show();
      await this.#tasks.report();
    } catch (thrown) {
      await this.#tasks.recoverOrThrow(thrown);
    }
  }

  async #go() {
    let finished = false;
    try {
      while (!this.#stopping && !finished) {
        try {
          finished = await this.#round();
        } catch (thrown) {
          if (!(await this.#tasks.recover(thrown))) return;
        }
        await nextTask();
      }
      await this.#finish(finished).catch((thrown) => this.#tasks.recover(thrown));
    } finally {
      this.running = false;
      this.#tasks.onRunning(false);
    }
  }

  async #round() {
    const progress = await this.#tasks.step();
    const now = performance.now();
    const { step } = progress;
    const epochEnds = step % progress.steps_per_epoch === 0;
    if (now - this.#last.show >= Math.max(SHOW_MS, 4 * this.#cost.show)) await this.#show();
    if (progress.finished) return true;
    const due = epochEnds || step - this.#last.evaluateStep >= EVALUATE_STEPS;
    // On a slow device an evaluation may cost as much as many steps: it gets at most a fifth of the time.
    if (due && (epochEnds || performance.now() - this.#last.evaluate >= 4 * this.#cost.evaluate)) {
      await this.#evaluate(progress);
    }
    const savedLongAgo = this.#gpu && performance.now() - this.#last.save >= SAVE_GPU_MS;
    if (step - this.#last.saveStep >= SAVE_STEPS || savedLongAgo) await this.#save(step);
    if (performance.now() - this.#last.report >= REPORT_MS) await this.#report();
    return false;
  }

  /** @param {boolean} finished */
  async #finish(finished) {
    await this.#tasks.show();
    if (finished) await this.#tasks.evaluate(EVALUATE_IMAGES);
    await this.#tasks.save();
    await this.#tasks.report();
  }

  async #show() {
    const start = performance.now();
    await this.#tasks.show();
    this.#last.show = performance.now();
    this.#cost.show = this.#last.show - start;
  }

  /** @param {Progress} progress */
  async #evaluate(progress) {
    const start = performance.now();
    // Evaluating is about three times as fast as training; about two seconds of it are enough.
    const affordable = Math.round(6 * (progress.images_per_second ?? EVALUATE_IMAGES));
    await this.#tasks.evaluate(Math.min(EVALUATE_IMAGES, Math.max(100, affordable)));
    this.#last.evaluate = performance.now();
    this.#last.evaluateStep = progress.step;
    this.#cost.evaluate = this.#last.evaluate - start;
    await this.#report();
  }

  /** @param {number} step */
  async #save(step) {
    await this.#tasks.save();
    this.#last.save = performance.now();
    this.#last.saveStep = step;
  }

  async #report() {
    await this.#tasks.report();
    this.#last.report = performance.now();
  }
}
