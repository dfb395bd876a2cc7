/**
 * One thing at a time. A wasm object that is borrowed by an unfinished call must not be called again,
 * so every use of a trainer stands in this line, in the order of asking.
 */
export class Queue {
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @template T
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  run(work) {
    const result = this.#last.then(work);
    // A failed piece of work is its caller's concern, not the next one's.
    this.#last = result.catch(() => undefined);
    return result;
  }
}
