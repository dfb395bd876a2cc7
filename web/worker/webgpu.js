/**
 * The WebGPU module: is there an adapter, is the module served, does it compute what the CPU computes?
 * Everything here ends in a state with a reason, never in a thrown error.
 */

import { asFailure } from './failure.js';

/** @typedef {import('../types/types').Crossdub} Crossdub */
/** @typedef {import('../types/messages').WebGpuState} WebGpuState */

/** How often, and for how long, to ask for a module that is still being built. */
const POLL_MS = 10_000;
const POLLS = 180;
/** The largest difference of the self-test's gradients, relative to the largest entry. */
const TOLERANCE = 1e-2;

/** A self-test that takes longer than this will not end, even on a software adapter. */
const SELF_TEST_MS = 240_000;

/** @typedef {{ info?: { vendor?: string, architecture?: string, device?: string, description?: string, isFallbackAdapter?: boolean }, isFallbackAdapter?: boolean }} Adapter */

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
 * Hears of a lost device at once: a call that waits for a lost device may never come back.
 * @param {(why: string) => void} tell
 */
function watchForLoss(tell) {
  const prototype = /** @type {any} */ (globalThis).GPUAdapter?.prototype;
  if (!prototype) return;
  const original = prototype.requestDevice;
  /** @this {unknown} @param {unknown[]} options */
  prototype.requestDevice = async function requestDevice(...options) {
    const device = await original.apply(this, options);
    device.lost.then((/** @type {{ reason: string, message: string }} */ info) =>
      tell(`the WebGPU device was lost (${info.message || info.reason || 'no reason given'})`),
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
  state = { state: 'looking', adapter: '', software: false, why: '' };
  /** @type {Crossdub | null} */
  module = null;
  /** @type {(why: string) => void} the device is lost, or the module died */
  fail = () => undefined;
  /** Resolves with the reason when that happened. @type {Promise<string>} */
  lost = new Promise((resolve) => (this.fail = resolve));
  /** Resolves once the first look for adapter and module is over. */
  looked;
  /** @type {Promise<void> | null} */
  #loading = null;
  #expected;
  #base;
  #wanted;
  #tell;

  /**
   * @param {string} base the page's address
   * @param {() => Promise<Float32Array>} expected the CPU module's self-test
   * @param {() => boolean} wanted whether a module that appears later is worth loading
   * @param {(state: WebGpuState) => void} tell
   */
  constructor(base, expected, wanted, tell) {
    this.#base = base;
    this.#expected = expected;
    this.#wanted = wanted;
    this.#tell = tell;
    watchForLoss(this.fail);
    this.lost.then((why) => this.giveUp(why));
    this.looked = this.#look();
  }

  /** @param {Partial<WebGpuState>} change */
  #say(change) {
    this.state = { ...this.state, ...change };
    this.#tell(this.state);
  }

  /** @param {string} why */
  giveUp(why) {
    this.module = null;
    this.#say({ state: 'failed', why });
  }

  async #look() {
    const adapter = await findAdapter();
    if (!adapter) {
      const why = isSecureContext ? 'this browser offers no WebGPU adapter' : 'it needs https or localhost';
      this.#say({ state: 'none', why });
      return;
    }
    const { name, software } = describe(adapter);
    const there = await this.#isServed();
    this.#say({ state: 'absent', adapter: name, software, why: 'the WebGPU module is not there (yet)' });
    if (there) this.#say({ state: 'loading', why: '' });
    else this.#poll(POLLS);
  }

  /** @param {number} left */
  #poll(left) {
    if (left === 0) return;
    setTimeout(async () => {
      if (await this.#isServed()) {
        this.#say({ state: 'loading', why: '' });
        if (this.#wanted()) await this.load();
      } else this.#poll(left - 1);
    }, POLL_MS);
  }

  /** @param {string} file */
  #address(file) {
    return new URL(`pkg/webgpu/${file}`, this.#base).href;
  }

  async #isServed() {
    const files = ['crossdub.js', 'crossdub_bg.wasm'].map((file) =>
      fetch(this.#address(file), { method: 'HEAD', cache: 'no-cache' }).then(
        (answer) => answer.ok && !answer.headers.get('content-type')?.includes('html'),
        () => false,
      ),
    );
    return (await Promise.all(files)).every(Boolean);
  }

  /** Loads and tests the module where it is served; says how that ended in `state`. */
  async load() {
    await this.looked;
    if (this.state.state === 'loading') this.#loading ??= this.#loadNow();
    await this.#loading;
  }

  async #loadNow() {
    try {
      const module = /** @type {Crossdub} */ (await import(/* @vite-ignore */ this.#address('crossdub.js')));
      await module.default();
      const lost = this.lost.then((why) => Promise.reject(new Error(why)));
      const late = new Promise((/** @type {(value: never) => void} */ _, reject) => {
        setTimeout(
          () => reject(new Error(`its self-test has not ended in ${SELF_TEST_MS / 60_000} minutes`)),
          SELF_TEST_MS,
        );
      });
      const [expected, actual] = await Promise.all([
        this.#expected(),
        Promise.race([module.self_test(), lost, late]),
      ]);
      const error = relativeError(expected, actual);
      if (!(error <= TOLERANCE)) {
        this.giveUp(`its self-test is wrong: a gradient is off by ${(100 * error).toPrecision(2)} %`);
        return;
      }
      this.module = module;
      this.#say({ state: 'ready', why: '' });
    } catch (thrown) {
      this.giveUp(asFailure(thrown).message);
    }
  }
}
