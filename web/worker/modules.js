/** The two wasm modules: the CPU one, loaded at once, and the WebGPU one where it is worth having. */

import { chooseDevice } from './device.js';
import { onPanic } from './failure.js';
import { WebGpu } from './webgpu.js';

/** @typedef {import('../types/types').Crossdub} Crossdub */
/** @typedef {import('../types/types').RunSpec} RunSpec */
/** @typedef {'cpu' | 'webgpu'} Device */

export class Modules {
  /** @param {Crossdub} cpu @param {WebGpu} gpu */
  constructor(cpu, gpu) {
    this.cpu = cpu;
    this.gpu = gpu;
  }

  /**
   * Loads the CPU module and looks for an adapter.
   * @param {string} base the page's address
   * @param {object} on
   * @param {(test: () => Promise<Float32Array>) => Promise<Float32Array>} on.test runs the CPU's self-test when nothing else uses it
   * @param {() => boolean} on.wanted whether the GPU is worth waiting for
   * @param {(state: import('../types/messages').WebGpuState) => void} on.tell
   * @param {(device: Device, thrown: unknown) => void} on.broken a module panicked or its device is lost: its calls never come back
   */
  static async load(base, { test, wanted, tell, broken }) {
    const address = new URL('pkg/cpu/crossdub.js', base).href;
    const cpu = /** @type {Crossdub} */ (await import(/* @vite-ignore */ address));
    await cpu.default();
    /** @type {Promise<Float32Array> | undefined} */
    let expected;
    const gpu = new WebGpu(base, () => (expected ??= test(() => cpu.self_test())), wanted, tell);
    gpu.lost.then((why) => broken('webgpu', new Error(why)));
    onPanic((device, why) => {
      if (device === 'webgpu') gpu.fail(why);
      else broken('cpu', { message: `${why}. Reload the page to go on.` });
    });
    return new Modules(cpu, gpu);
  }

  /** @param {Device} device */
  of(device) {
    const module = device === 'webgpu' ? this.gpu.module : this.cpu;
    if (!module) throw { message: `the ${device} module is not loaded` };
    return module;
  }

  /** @param {RunSpec['device']} choice @param {(what: string) => void} busy */
  choose(choice, busy) {
    return chooseDevice(choice, this.gpu, busy);
  }

  /** Whether a run that asks so is to wait for the GPU module. @param {RunSpec['device'] | undefined} choice */
  wantsGpu(choice) {
    return choice === 'webgpu' || (choice === 'auto' && !this.gpu.state.software);
  }
}
