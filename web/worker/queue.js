/**
 * One call at a time, in order: a wasm object that is borrowed by an unfinished call must not be called again, so
 * every use of a run is queued.
 */
export class Queue {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {(thrown: unknown) => void} */
  #reject = () => undefined;

  /**
   * @template T
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  run(work) {
    const result = this.#last.then(
      () =>
        new Promise((/** @type {(value: T) => void} */ resolve, reject) => {
          this.#reject = reject;
          Promise.resolve().then(work).then(resolve, reject);
        }),
    );
    // The caller handles a failure; the next call runs anyway.
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * Fails the current call: one into a module that panicked, or that waits for a lost device, never returns.
   * @param {unknown} thrown
   */
  abort(thrown) {
    this.#reject(thrown);
  }
}
