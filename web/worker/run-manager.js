/**
 * Opens runs on the requested device, and falls back to the CPU if a GPU fails. The current run is replaced only
 * once the next one is ready.
 */

import { failure } from '../api/errors.js';
import { asFailure, isDeviceFailure } from './failure.js';
import { Run } from './run.js';

/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/types').TrainConfig} TrainConfig */
/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */
/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** @typedef {import('../types/wasm').WasmRun} WasmRun */
/** @typedef {import('../types/messages').Device} Device */
/** @typedef {import('../types/messages').Saved} Saved */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */

/**
 * How to make a run on a module, the hardware it is mapped to, and its data.
 * @typedef {object} Recipe
 * @property {HardwareConfig} hardware
 * @property {NamedBytes[]} files
 * @property {(module: WasmModule) => Promise<WasmRun>} create
 * @property {Saved} [saved] the checkpoint that it continues from
 */

export class RunManager {
  /** @type {Run | null} */
  run = null;
  /** Whether queued work may wait for the GPU. */
  usesGpu = false;
  #modules;
  #queue;
  #loadFiles;
  #batchWorkers;
  #emit;
  #onReplaced;

  /**
   * @param {object} options
   * @param {import('./modules.js').Modules} options.modules
   * @param {import('./queue.js').Queue} options.queue
   * @param {(data: string) => Promise<NamedBytes[]>} options.loadFiles the data files of a run
   * @param {import('./batch-workers.js').BatchWorkers} options.batchWorkers
   * @param {(event: WorkerEvent) => void} options.emit
   * @param {(run: Run) => Promise<void>} options.onReplaced called in the queue
   */
  constructor({ modules, queue, loadFiles, batchWorkers, emit, onReplaced }) {
    this.#modules = modules;
    this.#queue = queue;
    this.#loadFiles = loadFiles;
    this.#batchWorkers = batchWorkers;
    this.#emit = emit;
    this.#onReplaced = onReplaced;
  }

  /** The run; throws if there is none. */
  get current() {
    if (!this.run) throw failure('invalid-state', 'no run yet: open its data first');
    return this.run;
  }

  /**
   * @param {TrainConfig} spec
   * @param {HardwareConfig} hardware
   * @param {{ files?: NamedBytes[], check?: (run: WasmRun) => void }} [options] `check` throws if the run must not
   * replace the current one
   */
  async open(spec, hardware, { files, check = () => undefined } = {}) {
    const bytes = files ?? (await this.#loadFiles(spec.data));
    const create = async (/** @type {WasmModule} */ module) => {
      const run = await module.Run.open(spec, hardware, bytes);
      try {
        check(run);
      } catch (thrown) {
        run.free();
        throw thrown;
      }
      return run;
    };
    await this.#replaceRun(spec.device, { hardware, files: bytes, create });
  }

  /**
   * @param {Saved & { spec: TrainConfig, hardware: HardwareConfig }} saved
   * @param {TrainConfig['device']} [device]
   */
  async resume({ bytes, completed, spec, hardware }, device = spec.device) {
    const files = await this.#loadFiles(spec.data);
    const create = (/** @type {WasmModule} */ module) => module.Run.resume(bytes, hardware, files, completed);
    await this.#replaceRun(device, { hardware, files, create, saved: { bytes, completed } });
  }

  /**
   * After training failed: continues as `recoverOrThrow`, or emits the failure.
   * @param {unknown} thrown
   * @returns {Promise<boolean>} whether training continues
   */
  async recover(thrown) {
    try {
      await this.recoverOrThrow(thrown);
      return true;
    } catch (again) {
      this.#emit({ type: 'failed', failure: asFailure(again) });
      return false;
    }
  }

  /**
   * After training failed: continues on the CPU from the last checkpoint if the GPU was lost, else throws the failure.
   * @param {unknown} thrown
   */
  async recoverOrThrow(thrown) {
    const { run } = this;
    const cause = asFailure(thrown);
    if (run?.device !== 'webgpu' || !isDeviceFailure(thrown)) throw cause;
    this.#modules.gpu.disable(cause.message);
    // The dead module's objects are not freed: any call into it may throw.
    this.run = null;
    const { spec, hardware, saved } = run;
    const from = saved ? 'from the last checkpoint' : 'from the beginning';
    const fallback = `WebGPU failed (${cause.message}). Training continues on the CPU, ${from}.`;
    const files = await this.#loadFiles(spec.data);
    const create = (/** @type {WasmModule} */ module) =>
      saved
        ? module.Run.resume(saved.bytes, hardware, files, saved.completed)
        : module.Run.open(spec, hardware, files);
    await this.#replaceRunOn('cpu', fallback, { hardware, files, create, saved: saved ?? undefined });
  }

  /** @param {TrainConfig['device']} requested @param {Recipe} recipe */
  async #replaceRun(requested, recipe) {
    const { device, fallback } = await this.#modules.choose(requested, (text) =>
      this.#emit({ type: 'busy', text }),
    );
    await this.#replaceRunOn(device, fallback, recipe);
  }

  /** @param {Device} device @param {string} fallback @param {Recipe} recipe */
  async #replaceRunOn(device, fallback, recipe) {
    try {
      this.usesGpu ||= device === 'webgpu';
      await this.#queue.run(() => this.#replaceRunNow(device, fallback, recipe));
    } catch (thrown) {
      if (device !== 'webgpu' || !isDeviceFailure(thrown)) throw thrown;
      const { message } = asFailure(thrown);
      this.#modules.gpu.disable(message);
      await this.#replaceRunOn('cpu', `WebGPU failed (${message}). Training on the CPU instead.`, recipe);
    }
  }

  /** @param {Device} device @param {string} fallback @param {Recipe} recipe */
  async #replaceRunNow(device, fallback, { hardware, files, create, saved = undefined }) {
    const modules = this.#modules;
    const wasm = await create(modules.get(device));
    if (this.run && (this.run.device === 'cpu' || modules.gpu.module)) this.run.close();
    const workers = this.#batchWorkers;
    if (device === 'cpu') workers.invalidate();
    else workers.close();
    const run = new Run(wasm, device, hardware, this.#emit, device === 'cpu' ? { workers, files } : null);
    run.saved = saved ?? null;
    this.run = run;
    this.usesGpu = device === 'webgpu';
    run.emitOpened(fallback);
    await this.#onReplaced(run);
  }
}
