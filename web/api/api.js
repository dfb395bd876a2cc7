/**
 * `window.crossdub`: the page for embedders and notebooks, and all that the page's own controls use.
 *
 *     await crossdub.ready;
 *     await crossdub.set({ lambda: 0.002, tile: 64 });   // fields of RunSpec and HardwareSpec, `rule`, `strength`, `target`
 *     document.addEventListener('crossdub:progress', (event) => console.log(event.detail.loss));
 *     await crossdub.start();
 */

/** @typedef {import('../state/session.js').Session} Session */
/** @typedef {import('../types/messages').Fields} Fields */

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
    /**
     * Cuts the trained network to discrete levels, as `rule`, `strength` and `target` of `set` say, changed by
     * these fields; what is zero stays zero from here on.
     * @param {Partial<import('../types/types').PruneChoice>} [fields]
     */
    prune: (fields = {}) => ready.then(() => session.prune(fields)),
    /**
     * Trains the pruned network on, with the authors' settings (learning rate 0.01, no momentum, no weight decay,
     * convolutions alone) but for these fields of RunSpec.
     * @param {Partial<import('../types/types').RunSpec>} [fields]
     */
    finetune: (fields = {}) => ready.then(() => session.finetune(fields)),
    /** Energy of an inference by every converter model and policy, as `crossdub analyze --per-inference --json`. */
    inference: () => ready.then(() => session.inference()),
    /**
     * Simulates held-out images on the present hardware (`resolution`, `per` and the others of `set`); resolves to
     * what `crossdub simulate --json` prints. `crossdub:proof` tells how far it is.
     * @param {{ images?: number }} [options]
     */
    prove: (options = {}) => ready.then(() => session.prove(options)),
    /**
     * One column of a simulated tile worked through by hand; `quietly`: a refusal is no `crossdub:error`.
     * @param {{ layer: number, tile: number, column: number, image?: number, position?: number }} at
     * @param {boolean} [quietly]
     */
    column: (at, quietly = false) => ready.then(() => session.column(at, quietly)),
    /** Back to the trained weights, as they were before pruning. */
    undo: () => ready.then(() => session.undo()),
    /** The same run from its beginning. */
    reset: () => ready.then(() => session.reset()),
    /**
     * What `crossdub train --json` and `crossdub analyze --json` print, on what is shown. While a checkpoint is shown,
     * `checkpoint` is its file's name, `analysis` and `hardware` are of it, and the rest is of the run that waits.
     */
    report: () => ready.then(() => session.report()),
    /** The weights as a safetensors file's bytes, under PyTorch's names; of a dropped checkpoint pruned as previewed. */
    weights: () => ready.then(() => session.weights()),
    /** Masks (0 where a weight is zero) of what is shown, pruned as previewed or as it is once pruned, in the same form. */
    masks: () => ready.then(() => session.masks()),
    /** What each tile's converters need, of the same network: CSV, as `crossdub analyze --adc-plan` writes it. */
    adcPlan: () => ready.then(() => session.adcPlan()),
    /**
     * A checkpoint (.safetensors, .pt, .pth), CIFAR-10's files (.bin, .tar.gz) or reports of runs (.json), one or
     * several together. `linear` takes a checkpoint's 2-D layers as well.
     * @param {File | Iterable<File>} file
     * @param {{ linear?: boolean }} [options]
     */
    load: (file, options) => ready.then(() => session.load(file, options)),
    runs: runsApi(session, ready),
  });
}

/**
 * The runs to compare: kept in this browser, recorded with the page, or opened from a report.
 * @param {Session} session
 * @param {Promise<void>} ready
 */
function runsApi(session, ready) {
  return Object.freeze({
    /** Each with `id`, `name`, `source` (`kept`, `recorded`, `file`), `shown`, and its `report`. */
    list: () =>
      session.runs.list.map(({ id, name, source, when, slot, report }) => ({
        id,
        name,
        source,
        when,
        shown: slot !== null,
        report,
      })),
    /** Keeps the present run as it is; resolves to its id. @param {string} [name] */
    keep: (name) => ready.then(() => session.keepRun(name)),
    /** Draws it over the present run, or no more. @param {string} id @param {boolean} [shown] */
    show: (id, shown = true) => ready.then(() => session.withRuns((runs) => runs.show(id, shown))),
    /** @param {string} id @param {string} name */
    rename: (id, name) => ready.then(() => session.withRuns((runs) => runs.rename(id, name))),
    /** @param {string} id */
    remove: (id) => ready.then(() => session.withRuns((runs) => runs.remove(id))),
    /** Forgets all kept and opened runs. */
    clear: () => ready.then(() => session.withRuns((runs) => runs.clear())),
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
  forward('proof', 'crossdub:proof', (event) => event.proof);
  forward('report', 'crossdub:report', (event) => event.report);
  forward('failure', 'crossdub:error', (event) => event.failure ?? event);
}
