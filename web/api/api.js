/**
 * `window.crossdub`: the page for embedders and notebooks. The page's own controls use nothing else.
 *
 *     await crossdub.ready;
 *     await crossdub.set({ lambda: 0.002, tile: 64 });   // fields of the run, the hardware, and pruning
 *     document.addEventListener('crossdub:progress', (event) => console.log(event.detail.loss));
 *     await crossdub.start();
 */

/** @typedef {import('./client.js').Client} Client */
/** @typedef {ReturnType<typeof createApi>} Api */

/**
 * @param {Client} client
 * @param {Promise<void>} ready
 */
export function createApi(client, ready) {
  return Object.freeze({
    /** Resolves once a run can be started; rejects if the module can't be loaded. */
    ready,
    /** The current fields of the run and the hardware, flat. */
    spec: () => client.spec(),
    /**
     * Changes fields; changing the run restarts it. An invalid call rejects and changes nothing.
     * @param {import('../types/messages').Fields} fields
     */
    set: (fields) => ready.then(() => client.set(fields)),
    start: () => ready.then(() => client.start()),
    /** Resolves when the step in progress is done. */
    pause: () => ready.then(() => client.pause()),
    /** One step; pauses a running training first. */
    step: () => ready.then(() => client.step()),
    /**
     * Prunes the trained network to discrete levels by the settings `rule`, `strength` and `target`, changed by
     * these fields. Pruned weights stay zero from then on.
     * @param {Partial<import('../types/types').PruneSettings>} [fields]
     */
    prune: (fields = {}) => ready.then(() => client.prune(fields)),
    /**
     * Fine-tunes the pruned network with the authors' settings (learning rate 0.01, no momentum, no weight decay,
     * convolutions only), changed by these fields.
     * @param {Partial<import('../types/types').TrainConfig>} [fields]
     */
    finetune: (fields = {}) => ready.then(() => client.finetune(fields)),
    /** Energy of an inference by every ADC model, as `crossdub analyze --per-inference --json` prints it. */
    inference: () => ready.then(() => client.inference()),
    /**
     * Simulates held-out images on the current hardware; resolves to what `crossdub simulate --json` prints.
     * `crossdub:proof` events report its progress.
     * @param {{ images?: number }} [options]
     */
    prove: (options = {}) => ready.then(() => client.simulate(options)),
    /**
     * One column of a simulated tile, conversion by conversion. With `quietly` an error is no `crossdub:error`.
     * @param {{ layer: number, tile: number, column: number, image?: number, position?: number }} at
     * @param {boolean} [quietly]
     */
    column: (at, quietly = false) => ready.then(() => client.column(at, quietly)),
    /** Returns to the trained weights from before pruning. */
    undo: () => ready.then(() => client.undo()),
    /** Restarts the run. */
    reset: () => ready.then(() => client.reset()),
    /**
     * What `crossdub train --json` and `crossdub analyze --json` print, for what is displayed. While a checkpoint is
     * displayed, `checkpoint` is its file name, `analysis` and `hardware` are its own; the rest is the waiting run's.
     */
    report: () => ready.then(() => client.report()),
    /**
     * The weights as a safetensors file with PyTorch's names; of a checkpoint after the previewed pruning; of an ONNX
     * model as the pruned model.
     */
    weights: () => ready.then(() => client.weights()),
    /** Masks (0 where a weight is zero) as a safetensors file: after pruning, or of the preview before that. */
    masks: () => ready.then(() => client.masks()),
    /** The ADC bits that each tile of the same network needs, as `crossdub analyze --adc-plan` writes them (CSV). */
    adcPlan: () => ready.then(() => client.adcPlan()),
    /**
     * Opens a checkpoint (PyTorch or safetensors, one file or its shards), an ONNX model with the files of its
     * weights, CIFAR's files, pictures in class folders (or an archive of them) or reports, told by their content.
     * @param {File | Iterable<File>} file
     * @param {import('../types/messages').LoadOptions} [options]
     */
    load: (file, options) => ready.then(() => client.load(file, options)),
    runs: createRunsApi(client, ready),
  });
}

/**
 * The runs to compare: kept in this browser, recorded with the page, or opened from a report.
 * @param {Client} client
 * @param {Promise<void>} ready
 */
function createRunsApi(client, ready) {
  return Object.freeze({
    /** Each with `id`, `name`, `source` (`kept`, `recorded`, `file`), `when`, `shown`, and its `report`. */
    list: () =>
      client.runs.list.map(({ id, name, source, when, slot, report }) => {
        return { id, name, source, when, shown: slot !== null, report };
      }),
    /** Keeps the current run; resolves to its id. @param {string} [name] */
    keep: (name) => ready.then(() => client.keepRun(name)),
    /** Draws a run behind the current one, or stops drawing it. @param {string} id @param {boolean} [shown] */
    show: (id, shown = true) => ready.then(() => client.changeRuns((runs) => runs.show(id, shown))),
    /** @param {string} id @param {string} name */
    rename: (id, name) => ready.then(() => client.changeRuns((runs) => runs.rename(id, name))),
    /** @param {string} id */
    remove: (id) => ready.then(() => client.changeRuns((runs) => runs.remove(id))),
    /** Removes all kept and opened runs. */
    clear: () => ready.then(() => client.changeRuns((runs) => runs.clear())),
  });
}

/**
 * Dispatches the store's events as DOM events on the document; they bubble to the window.
 * @param {import('../state/store.js').Store} store
 */
export function forwardEvents(store) {
  const dispatch = (/** @type {string} */ name, /** @type {unknown} */ detail) =>
    document.dispatchEvent(new CustomEvent(`crossdub:${name}`, { detail, bubbles: true }));
  store.onEvent((event) => {
    if (event.type === 'progress') dispatch('progress', event.progress);
    else if (event.type === 'simulation') dispatch('proof', event.simulation);
    else if (event.type === 'report') dispatch('report', event.report);
    else if (event.type === 'failed') dispatch('error', event.failure);
  });
}
