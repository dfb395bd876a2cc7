/** The wasm module that reads ONNX models: loaded for the first one, and again after it has failed. */

import { failure } from '../api/errors.js';
import { asFailure } from './failure.js';

/** @typedef {import('../types/wasm').WasmOnnxModule} WasmOnnxModule */

export class OnnxModule {
  /** @type {Promise<WasmOnnxModule> | null} */
  #module = null;
  #attempts = 0;
  #base;

  /** @param {string} base the page's URL */
  constructor(base) {
    this.#base = base;
  }

  /**
   * Work with the module. A module that panicked or ran out of memory is dropped: it can't be trusted any more.
   * @template T
   * @param {string} name the model, for messages
   * @param {(module: WasmOnnxModule) => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async use(name, work) {
    const module = await (this.#module ??= this.#load()).catch((thrown) => {
      this.#module = null;
      const { message } = asFailure(thrown);
      throw failure('file', `opening ${name}: the page's module for ONNX can't be loaded (${message})`);
    });
    try {
      return await work(module);
    } catch (thrown) {
      if (!(thrown instanceof WebAssembly.RuntimeError)) throw thrown;
      this.#module = null;
      const { message } = thrown;
      throw failure('file', `opening ${name}: it is too large or damaged, reading it stopped (${message})`);
    }
  }

  /** @returns {Promise<WasmOnnxModule>} */
  async #load() {
    // A browser keeps a module under its address, also one that failed.
    const again = this.#attempts > 0 ? `?${this.#attempts}` : '';
    this.#attempts += 1;
    const url = new URL(`pkg/onnx/crossdub.js${again}`, this.#base).href;
    const module = /** @type {WasmOnnxModule} */ (await import(/* @vite-ignore */ url));
    await module.default();
    return module;
  }
}
