/**
 * Who holds the run: takes up a fresh or kept one on the device asked for, and falls back to the CPU when a GPU fails.
 * The run in hand is given up only when the next one is there.
 */

import { asFailure, isDeviceFailure } from './failure.js';
import { Run } from './run.js';

/** @typedef {import('../types/types').Trainer} Trainer */
/** @typedef {import('../types/types').Crossdub} Crossdub */
/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */
/** @typedef {import('../types/types').NamedBytes} NamedBytes */
/** @typedef {import('../types/messages').Saved} Saved */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */
/** @typedef {'cpu' | 'webgpu'} Device */

export class Holder {
  /** @type {Run | null} */ run = null;
  /** Whether the work in line may wait for the GPU. */
  usesGpu = false;
  #modules;
  #queue;
  #files;
  #tell;
  #adopted;

  /**
   * @param {object} uses
   * @param {() => import('./modules.js').Modules} uses.modules
   * @param {import('./queue.js').Queue} uses.queue
   * @param {(data: string) => Promise<NamedBytes[]>} uses.files the data files of a run
   * @param {(event: WorkerEvent) => void} uses.tell
   * @param {(run: Run) => Promise<void>} uses.adopted called in the queue when a run was taken up and told of
   */
  constructor({ modules, queue, files, tell, adopted }) {
    this.#modules = modules;
    this.#queue = queue;
    this.#files = files;
    this.#tell = tell;
    this.#adopted = adopted;
  }

  /** The run; thrown when there is none. */
  held() {
    if (!this.run)
      throw { message: 'there is no run: CIFAR-10 was asked for, and its files are not here yet' };
    return this.run;
  }

  /**
   * @param {RunSpec} spec @param {HardwareSpec} hardware
   * @param {{ files?: NamedBytes[], check?: (trainer: Trainer) => void }} [options] `check` throws what the new run must not be
   */
  async open(spec, hardware, { files, check } = {}) {
    const bytes = files ?? (await this.#files(spec.data));
    await this.#adopt(spec.device, hardware, async (module) => {
      const trainer = await module.Trainer.open(spec, hardware, bytes);
      try {
        check?.(trainer);
      } catch (thrown) {
        trainer.free();
        throw thrown;
      }
      return trainer;
    });
  }

  /** @param {Saved & { spec: RunSpec, hardware: HardwareSpec }} saved @param {RunSpec['device']} [device] */
  async resume(saved, device = saved.spec.device) {
    const files = await this.#files(saved.spec.data);
    await this.#adopt(device, saved.hardware, (module) =>
      module.Trainer.resume(saved.bytes, saved.hardware, files, saved.earlier ?? null),
    );
  }

  /**
   * After training failed on a lost or failing GPU: goes on with the CPU from the last checkpoint.
   * @param {unknown} thrown
   * @returns {Promise<boolean>} whether it goes on; otherwise it was said why not
   */
  async recover(thrown) {
    const failure = asFailure(thrown);
    const { run } = this;
    if (run?.device !== 'webgpu' || !isDeviceFailure(thrown)) {
      this.#tell({ type: 'failure', failure });
      return false;
    }
    this.#modules().gpu.giveUp(failure.message);
    // The dead module's objects are not even freed: any call into it may throw.
    this.run = null;
    try {
      const { spec, hardware, saved } = run;
      const fallback = `WebGPU failed (${failure.message}). Training goes on with the CPU, ${saved ? 'from the last checkpoint' : 'from the beginning'}.`;
      const files = await this.#files(spec.data);
      await this.#adoptOn('cpu', fallback, hardware, (module) =>
        saved
          ? module.Trainer.resume(saved.bytes, hardware, files, saved.earlier)
          : module.Trainer.open(spec, hardware, files),
      );
      return true;
    } catch (again) {
      this.#tell({ type: 'failure', failure: asFailure(again) });
      return false;
    }
  }

  /** @param {RunSpec['device']} choice @param {HardwareSpec} hardware @param {(module: Crossdub) => Promise<Trainer>} make */
  async #adopt(choice, hardware, make) {
    const { device, fallback } = await this.#modules().choose(choice, (what) =>
      this.#tell({ type: 'busy', what }),
    );
    await this.#adoptOn(device, fallback, hardware, make);
  }

  /** @param {Device} device @param {string} fallback @param {HardwareSpec} hardware @param {(module: Crossdub) => Promise<Trainer>} make */
  async #adoptOn(device, fallback, hardware, make) {
    try {
      this.usesGpu ||= device === 'webgpu';
      await this.#queue.run(() => this.#adoptNow(device, fallback, hardware, make));
    } catch (thrown) {
      if (device !== 'webgpu' || !isDeviceFailure(thrown)) throw thrown;
      const { message } = asFailure(thrown);
      this.#modules().gpu.giveUp(message);
      await this.#adoptOn('cpu', `WebGPU failed (${message}). Training on the CPU instead.`, hardware, make);
    }
  }

  /** @param {Device} device @param {string} fallback @param {HardwareSpec} hardware @param {(module: Crossdub) => Promise<Trainer>} make */
  async #adoptNow(device, fallback, hardware, make) {
    const modules = this.#modules();
    const trainer = await make(modules.of(device));
    if (this.run && (this.run.device === 'cpu' || modules.gpu.module)) this.run.trainer.free();
    const run = new Run(trainer, device, hardware, this.#tell);
    this.run = run;
    this.usesGpu = device === 'webgpu';
    this.#tell({ type: 'opened', opened: run.opened(), fallback });
    await this.#adopted(run);
  }
}
