/** Failures in the worker: Rust throws plain objects, a browser throws Errors. */

import { failure } from '../api/errors.js';

/** @typedef {import('../types/messages').Failure} Failure */
/** @typedef {import('../types/messages').Device} Device */

/**
 * A thrown value as a plain object: Comlink would drop an Error's own fields.
 * @param {unknown} thrown
 * @returns {Failure}
 */
export function asFailure(thrown) {
  if (typeof thrown === 'string') return failure('internal', thrown);
  const { code, message, field } = /** @type {Partial<Failure>} */ (Object(thrown));
  if (typeof message !== 'string') return failure('internal', 'Something failed for an unknown reason.');
  const line = message.replace(/\s+/g, ' ').trim();
  if (thrown instanceof WebAssembly.RuntimeError) {
    return failure('internal', `the training module stopped unexpectedly (${line})`);
  }
  return failure(thrown instanceof Error ? 'internal' : (code ?? 'internal'), line, field);
}

/**
 * Whether the device failed: Rust says so by code; a panic or a browser's error from the WebGPU calls is internal.
 * @param {unknown} thrown
 */
export function isDeviceFailure(thrown) {
  const { code } = asFailure(thrown);
  return code === 'device' || code === 'internal';
}

/**
 * Calls the listener when a module panics. A panic inside an asynchronous call leaves the call's promise pending
 * forever and is thrown globally; its stack tells which module it was.
 * @param {(device: Device, reason: string) => void} listener
 */
export function onPanic(listener) {
  const handle = (/** @type {Event} */ event, /** @type {unknown} */ thrown) => {
    if (!(thrown instanceof WebAssembly.RuntimeError)) return;
    event.preventDefault();
    listener(/\/pkg\/webgpu\//.test(thrown.stack ?? '') ? 'webgpu' : 'cpu', asFailure(thrown).message);
  };
  addEventListener('error', (event) => handle(event, event.error));
  addEventListener('unhandledrejection', (event) => handle(event, event.reason));
}
