/** The wasm modules: the CPU one, loaded at once, the WebGPU one if it is worth it, the ONNX one when it is needed. */

import { failure } from '../api/errors.js';
import { findCpuModule } from './cpu-module.js';
import { chooseDevice } from './device.js';
import { onPanic } from './failure.js';
import { OnnxModule } from './onnx-module.js';
import { WebGpu } from './webgpu.js';

/** @typedef {import('../types/types').TrainConfig['device']} RequestedDevice */
/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** @typedef {import('../types/messages').Device} Device */

/**
 * @typedef {object} ModuleOptions
 * @property {(test: () => Promise<Float32Array>) => Promise<Float32Array>} queueTest runs the CPU's self-test while
 * nothing else uses the module
 * @property {() => boolean} wantsGpu whether the GPU is worth waiting for
 * @property {(state: import('../types/messages').WebGpuState) => void} onState
 * @property {(device: Device, thrown: unknown) => void} onBroken a module panicked or its device is lost: its calls
 * never return
 */

export class Modules {
  /** @param {{ module: WasmModule, url: string }} cpu @param {WebGpu} gpu @param {OnnxModule} onnx */
  constructor(cpu, gpu, onnx) {
    this.cpu = cpu.module;
    /** Where other workers load the same module. */
    this.cpuUrl = cpu.url;
    this.gpu = gpu;
    this.onnx = onnx;
  }

  /**
   * Loads the CPU module and looks for an adapter.
   * @param {string} base the page's URL
   * @param {ModuleOptions} options
   */
  static async load(base, { queueTest, wantsGpu, onState, onBroken }) {
    const cpu = await findCpuModule(base);
    /** @type {Promise<Float32Array> | undefined} */
    let results;
    const expectedResults = () => (results ??= queueTest(() => cpu.module.self_test()));
    const gpu = new WebGpu(base, { expectedResults, isWanted: wantsGpu, onState });
    gpu.lost.then((reason) => onBroken('webgpu', new Error(reason)));
    onPanic((device, reason) => {
      if (device === 'webgpu') gpu.fail(reason);
      else onBroken('cpu', failure('internal', `${reason}. Reload the page to continue.`));
    });
    return new Modules(cpu, gpu, new OnnxModule(base));
  }

  /** @param {Device} device */
  get(device) {
    const module = device === 'webgpu' ? this.gpu.module : this.cpu;
    if (!module) throw failure('invalid-state', `the ${device} module is not loaded`);
    return module;
  }

  /** @param {RequestedDevice} requested @param {(text: string) => void} onBusy */
  choose(requested, onBusy) {
    return chooseDevice(requested, this.gpu, onBusy);
  }

  /** Whether a run with this device should wait for the GPU module. @param {RequestedDevice | undefined} requested */
  wantsGpu(requested) {
    return requested === 'webgpu' || (requested === 'auto' && !this.gpu.state.software);
  }
}
