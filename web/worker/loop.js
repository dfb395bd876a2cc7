/**
 * The training loop: step after step, with pauses in which messages come through, and now and then a view
 * for the maps, an evaluation, a report and a checkpoint. It knows nothing of what these do.
 */

/** @typedef {import('../types/types').Progress} Progress */

/**
 * @typedef {object} Work
 * @property {() => Promise<Progress>} step
 * @property {() => Promise<void>} view
 * @property {(images: number) => Promise<void>} evaluate
 * @property {() => Promise<void>} save
 * @property {() => Promise<void>} report
 * @property {(thrown: unknown) => Promise<boolean>} failed whether to go on
 * @property {(running: boolean) => void} running
 */

const VIEW_MS = 700;
const REPORT_MS = 5000;
const EVALUATE_STEPS = 50;
const EVALUATE_IMAGES = 500;
const SAVE_STEPS = 100;
/** A GPU is lost without warning: its runs are saved by time as well. */
const SAVE_GPU_MS = 30_000;

/** A task of its own, so that waiting messages come first. A timer would be slowed down in a hidden tab. */
const { port1, port2 } = new MessageChannel();
/** @type {(() => void)[]} */
const waiting = [];
port1.onmessage = () => waiting.shift()?.();

function nextTask() {
  return new Promise((/** @type {(value: void) => void} */ resolve) => {
    waiting.push(resolve);
    port2.postMessage(null);
  });
}

export class Loop {
  running = false;
  #work;
  #stopping = false;
  /** @type {Promise<void>} */
  #ended = Promise.resolve();
  #gpu = false;
  #last = { view: 0, report: 0, save: 0, saveStep: 0, evaluateStep: 0, evaluate: 0 };
  #cost = { view: 0, evaluate: 0 };

  /** @param {Work} work */
  constructor(work) {
    this.#work = work;
  }

  /**
   * Another run: what was measured of the last one does not count.
   * @param {boolean} gpu
   * @param {number} step
   */
  reset(gpu, step) {
    this.#gpu = gpu;
    this.#last = {
      view: 0,
      report: 0,
      save: performance.now(),
      saveStep: step,
      evaluateStep: step,
      evaluate: 0,
    };
    this.#cost = { view: 0, evaluate: 0 };
  }

  start() {
    if (this.running) {
      this.#stopping = false;
      return;
    }
    this.running = true;
    this.#stopping = false;
    this.#work.running(true);
    this.#ended = this.#go();
  }

  /** Resolves when the step in progress, and what follows it, is done. */
  async stop() {
    this.#stopping = true;
    await this.#ended;
  }

  /** One step with its view. */
  async once() {
    try {
      await this.#work.step();
      await this.#work.view();
      await this.#work.report();
    } catch (thrown) {
      await this.#work.failed(thrown);
    }
  }

  async #go() {
    let finished = false;
    try {
      while (!this.#stopping && !finished) {
        try {
          finished = await this.#round();
        } catch (thrown) {
          if (!(await this.#work.failed(thrown))) return;
        }
        await nextTask();
      }
      await this.#finish(finished).catch((thrown) => this.#work.failed(thrown));
    } finally {
      this.running = false;
      this.#work.running(false);
    }
  }

  async #round() {
    const progress = await this.#work.step();
    const now = performance.now();
    const { step } = progress;
    const epochEnds = step % progress.steps_per_epoch === 0;
    if (now - this.#last.view >= Math.max(VIEW_MS, 4 * this.#cost.view)) await this.#view();
    if (progress.finished) return true;
    const due = epochEnds || step - this.#last.evaluateStep >= EVALUATE_STEPS;
    // On a slow device an evaluation may cost as much as many steps: it gets a fifth of the time.
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
    await this.#work.view();
    if (finished) await this.#work.evaluate(EVALUATE_IMAGES);
    await this.#work.save();
    await this.#work.report();
  }

  async #view() {
    const start = performance.now();
    await this.#work.view();
    this.#last.view = performance.now();
    this.#cost.view = this.#last.view - start;
  }

  /** @param {Progress} progress */
  async #evaluate(progress) {
    const start = performance.now();
    // Evaluating is about three times as fast as training; about two seconds of it are enough.
    const affordable = Math.round(6 * (progress.images_per_second ?? EVALUATE_IMAGES));
    await this.#work.evaluate(Math.min(EVALUATE_IMAGES, Math.max(100, affordable)));
    this.#last.evaluate = performance.now();
    this.#last.evaluateStep = progress.step;
    this.#cost.evaluate = this.#last.evaluate - start;
    await this.#report();
  }

  /** @param {number} step */
  async #save(step) {
    await this.#work.save();
    this.#last.save = performance.now();
    this.#last.saveStep = step;
  }

  async #report() {
    await this.#work.report();
    this.#last.report = performance.now();
  }
}
