/**
 * `window.crossdub`: the page for embedders and notebooks, and all that the page's own controls use.
 *
 *     await crossdub.ready;
 *     await crossdub.set({ lambda: 0.002, tile: 64 });   // fields of RunSpec and HardwareSpec, and `strength`
 *     document.addEventListener('crossdub:progress', (event) => console.log(event.detail.loss));
 *     await crossdub.start();
 */

/** @typedef {import('./session.js').Session} Session */
/** @typedef {import('./messages').Fields} Fields */

/**
 * @param {Session} session
 * @param {Promise<void>} ready
 */
export function makeApi(session, ready) {
  return Object.freeze({
    /** Resolves once a run can be started; rejects when the module can't be loaded. */
    ready,
    /** The present fields of RunSpec and HardwareSpec, flat. */
    spec: () => session.spec(),
    /**
     * Changes fields; a change of the run starts it afresh. Rejects, changing nothing, when one is wrong.
     * @param {Fields} fields
     */
    set: (fields) => ready.then(() => session.set(fields)),
    start: () => ready.then(() => session.start()),
    /** Resolves when the step in progress is done. */
    pause: () => ready.then(() => session.pause()),
    /** One step; pauses a running training first. */
    step: () => ready.then(() => session.step()),
    /** The same run from its beginning. */
    reset: () => ready.then(() => session.reset()),
    /** What `crossdub train --json` and `crossdub analyze --json` print. */
    report: () => ready.then(() => session.report()),
    /**
     * A checkpoint (.safetensors, .pt, .pth) or CIFAR-10's files (.bin, .tar.gz), one or several together.
     * @param {File | Iterable<File>} file
     */
    load: (file) => ready.then(() => session.load(file)),
  });
}

/**
 * Makes the session's events DOM events on the document; they bubble to the window.
 * @param {Session} session
 */
export function forwardEvents(session) {
  /** @param {string} type @param {string} name @param {(event: any) => unknown} detail */
  const forward = (type, name, detail) =>
    session.addEventListener(type, (event) => {
      const value = detail(/** @type {CustomEvent} */ (event).detail);
      document.dispatchEvent(new CustomEvent(name, { detail: value, bubbles: true }));
    });
  forward('progress', 'crossdub:progress', (event) => event.progress);
  forward('report', 'crossdub:report', (event) => event.report);
  forward('failure', 'crossdub:error', (event) => event.failure ?? event);
}
