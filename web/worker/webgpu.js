/**
 * The WebGPU module: whether there is an adapter, whether the module is served, and whether it computes the same as
 * the CPU. Every failure becomes a state with a reason; nothing throws.
 */

import { asFailure } from './failure.js';

/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** @typedef {import('../types/messages').WebGpuState} WebGpuState */

/** How often to ask for a module that is still being built, and how many times. */
const POLL_MS = 10_000;
const POLLS = 180;
/** The largest difference of the self-test's results, relative to the largest entry. */
const TOLERANCE = 1e-2;

/** A self-test that takes longer will not finish, even on a software adapter. */
const SELF_TEST_MS = 240_000;

/** @typedef {import('../types/messages').GpuAdapter} Adapter */

/** @returns {Promise<Adapter | null>} */
async function findAdapter() {
  const gpu = /** @type {{ requestAdapter(o: object): Promise<Adapter | null> } | undefined} */ (
    /** @type {any} */ (navigator).gpu
  );
  if (!gpu) return null;
  return gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
}

/** @param {Adapter} adapter */
function describe(adapter) {
  const info = adapter.info ?? {};
  const name =
    info.description || [info.vendor, info.architecture].filter(Boolean).join(' ') || 'WebGPU adapter';
  const software =
    Boolean(info.isFallbackAdapter ?? adapter.isFallbackAdapter) ||
    /swiftshader|llvmpipe|lavapipe|software/i.test(`${info.vendor} ${info.architecture} ${name}`);
  return { name, software };
}

/**
 * Reports a lost device at once: a call that waits for one may never return.
 * @param {(reason: string) => void} onLost
 */
function watchForLoss(onLost) {
  const prototype = /** @type {any} */ (globalThis).GPUAdapter?.prototype;
  if (!prototype) return;
  const original = prototype.requestDevice;
  /** @this {unknown} @param {unknown[]} options */
  prototype.requestDevice = async function requestDevice(...options) {
    const device = await original.apply(this, options);
    device.lost.then((/** @type {{ reason: string, message: string }} */ info) =>
      onLost(`the WebGPU device was lost (${info.message || info.reason || 'no reason given'})`),
    );
    return device;
  };
}

/**
 * Largest difference relative to the largest entry of `expected`.
 * @param {Float32Array} expected
 * @param {Float32Array} actual
 */
export function relativeError(expected, actual) {
  if (expected.length === 0 || expected.length !== actual.length) return Infinity;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < expected.length; i += 1) {
    const e = expected[i] ?? 0;
    const a = actual[i] ?? NaN;
    if (!Number.isFinite(a)) return Infinity;
    largest = Math.max(largest, Math.abs(e));
    difference = Math.max(difference, Math.abs(e - a));
  }
  return largest > 0 ? difference / largest : Infinity;
}

export class WebGpu {
  /** @type {WebGpuState} */
  state = { state: 'looking', adapter: '', software: false, reason: '' };
  /** @type {WasmModule | null} */
  module = null;
  /** @type {(reason: string) => void} reports that the device is lost, or that the module panicked */
  fail = () => undefined;
  /** Resolves with the reason then. @type {Promise<string>} */
  lost = new Promise((resolve) => (this.fail = resolve));
  /** Whether the page has started and leaves time to load: before that, a run's first step comes first. */
  mayLoad = false;
  /** Resolves once adapter and module were looked for. */
  looked;
  /** @type {Promise<void> | null} */
  #loading = null;
  #expectedResults;
  #base;
  #isWanted;
  #onState;

  /**
   * @param {string} base the page's URL
   * @param {object} options
   * @param {() => Promise<Float32Array>} options.expectedResults the CPU module's self-test
   * @param {() => boolean} options.isWanted whether a module that appears later is worth loading
   * @param {(state: WebGpuState) => void} options.onState
   */
  constructor(base, { expectedResults, isWanted, onState }) {
    this.#base = base;
    this.#expectedResults = expectedResults;
    this.#isWanted = isWanted;
    this.#onState = onState;
    watchForLoss(this.fail);
    this.lost.then((reason) => this.disable(reason));
    this.looked = this.#look();
  }

  /** @param {Partial<WebGpuState>} change */
  #update(change) {
    this.state = { ...this.state, ...change };
    this.#onState(this.state);
  }

  /** @param {string} reason */
  disable(reason) {
    this.module = null;
    this.#update({ state: 'failed', reason });
  }

  async #look() {
    const adapter = await findAdapter();
    if (!adapter) {
      const reason = isSecureContext
        ? 'this browser offers no WebGPU adapter'
        : 'it needs https or localhost';
      this.#update({ state: 'none', reason });
      return;
    }
    const { name, software } = describe(adapter);
    const isServed = await this.#isServed();
    this.#update({
      state: 'absent',
      adapter: name,
      software,
      reason: 'the WebGPU module is not served (yet)',
    });
    if (isServed) this.#update({ state: 'loading', reason: '' });
    else this.#poll(POLLS);
  }

  /** @param {number} left */
  #poll(left) {
    if (left === 0) return;
    setTimeout(async () => {
      if (await this.#isServed()) {
        this.#update({ state: 'loading', reason: '' });
        if (this.#isWanted()) await this.load();
      } else this.#poll(left - 1);
    }, POLL_MS);
  }

  /** @param {string} file */
  #url(file) {
    return new URL(`pkg/webgpu/${file}`, this.#base).href;
  }

  async #isServed() {
    const files = ['crossdub.js', 'crossdub_bg.wasm'].map((file) =>
      fetch(this.#url(file), { method: 'HEAD', cache: 'no-cache' }).then(
        (response) => response.ok && !response.headers.get('content-type')?.includes('html'),
        () => false,
      ),
    );
    return (await Promise.all(files)).every(Boolean);
  }

  /** Loads and tests the module if it is served; `state` has the result. */
  async load() {
    await this.looked;
    if (this.state.state === 'loading') this.#loading ??= this.#loadNow();
    await this.#loading;
  }

  async #loadNow() {
    try {
      const module = /** @type {WasmModule} */ (await import(/* @vite-ignore */ this.#url('crossdub.js')));
      await module.default();
      const lost = this.lost.then((reason) => Promise.reject(new Error(reason)));
      const timeout = new Promise((/** @type {(value: never) => void} */ _, reject) => {
        setTimeout(
          () => reject(new Error(`its self-test has not finished in ${SELF_TEST_MS / 60_000} minutes`)),
          SELF_TEST_MS,
        );
      });
      const [expected, actual] = await Promise.all([
        this.#expectedResults(),
        Promise.race([module.self_test(), lost, timeout]),
      ]);
      const error = relativeError(expected, actual);
      if (!(error <= TOLERANCE)) {
        this.disable(`its self-test is wrong: it is off by ${(100 * error).toPrecision(2)} %`);
        return;
      }
      this.module = module;
      this.#update({ state: 'ready', reason: '' });
    } catch (thrown) {
      this.disable(asFailure(thrown).message);
    }
  }
}
