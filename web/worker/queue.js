/**
 * One thing at a time. A wasm object that is borrowed by an unfinished call must not be called again,
 * so every use of a trainer stands in this line, in the order of asking.
 */
export class Queue {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();
  /** @type {(thrown: unknown) => void} */
  #breakOff = () => undefined;

  /**
   * @template T
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  run(work) {
    const result = this.#last.then(
      () =>
        new Promise((/** @type {(value: T) => void} */ resolve, reject) => {
          this.#breakOff = reject;
          Promise.resolve().then(work).then(resolve, reject);
        }),
    );
    // A failed piece of work is its caller's concern, not the next one's.
    this.#last = result.catch(() => undefined);
    return result;
  }

  /**
   * Fails the work in progress: a call into a module that panicked, or that waits for a lost device, never
   * comes back by itself.
   * @param {unknown} thrown
   */
  breakOff(thrown) {
    this.#breakOff(thrown);
  }
}
