/** @typedef {import('../types/types').Failure} Failure */

/**
 * What was thrown, as one clear line. The Rust side throws plain objects; a browser throws Errors.
 * @param {unknown} thrown
 * @returns {Failure}
 */
export function asFailure(thrown) {
  if (typeof thrown === 'string') return { message: thrown };
  if (typeof thrown === 'object' && thrown !== null && 'message' in thrown) {
    const message = String(thrown.message).replace(/\s+/g, ' ').trim();
    if (thrown instanceof WebAssembly.RuntimeError) {
      return { message: `the training module stopped unexpectedly (${message})` };
    }
    const field = 'field' in thrown && typeof thrown.field === 'string' ? thrown.field : undefined;
    return field === undefined ? { message } : { message, field };
  }
  return { message: 'Something failed without saying why.' };
}

/**
 * Whether the device is to blame: Rust says so in its message; a module that panics, or a browser
 * error from the WebGPU calls, comes as an Error. A diverged run is neither.
 * @param {unknown} thrown
 */
export function isDeviceFailure(thrown) {
  if (thrown instanceof Error) return true;
  return /^using the device\b/.test(asFailure(thrown).message);
}

/**
 * A panic inside a module's asynchronous call is thrown where nobody waits, and the call's promise stays
 * pending for ever. The stack says which module it was.
 * @param {(device: 'cpu' | 'webgpu', why: string) => void} tell
 */
export function onPanic(tell) {
  const hear = (/** @type {Event} */ event, /** @type {unknown} */ thrown) => {
    if (!(thrown instanceof WebAssembly.RuntimeError)) return;
    event.preventDefault();
    tell(/\/pkg\/webgpu\//.test(thrown.stack ?? '') ? 'webgpu' : 'cpu', asFailure(thrown).message);
  };
  addEventListener('error', (event) => hear(event, event.error));
  addEventListener('unhandledrejection', (event) => hear(event, event.reason));
}
