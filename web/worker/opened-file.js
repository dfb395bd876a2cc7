/** A checkpoint file that is displayed instead of the run: weights without their network. */

import { asFailure } from './failure.js';
import { readBytes } from './files.js';

/** @typedef {import('../types/messages').Viewable} Viewable */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/types').Report} Report */
/** @typedef {import('../types/wasm').WasmCheckpoint} WasmCheckpoint */
/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** @typedef {import('../types/messages').OpenedFile} OpenedFile */

let lastId = 0;

/**
 * What the page needs to know of a file.
 * @param {Omit<OpenedFile, 'id'>} facts
 * @returns {OpenedFile}
 */
export function describeFile(facts) {
  lastId += 1;
  return { id: lastId, ...facts };
}

/** @typedef {import('../types/wasm').CheckpointOptions} CheckpointOptions */
/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */

/**
 * Includes 2-D layers if asked to, or if there are no others: a transformer has no convolutions.
 * @param {WasmModule} module
 * @param {NamedBytes[]} files
 * @param {CheckpointOptions} options
 */
function parse(module, files, options) {
  try {
    return { wasm: module.Checkpoint.open(files, options), linear: options.linear };
  } catch (thrown) {
    if (options.linear || asFailure(thrown).code !== 'no-layers') throw thrown;
    return { wasm: module.Checkpoint.open(files, { ...options, linear: true }), linear: true };
  }
}

/** @implements {Viewable} */
export class CheckpointFile {
  noNetworkReason =
    'a checkpoint does not describe its network: name it to `crossdub simulate`, or go back to the run first';

  /**
   * @param {WasmCheckpoint} wasm
   * @param {File[]} sources
   * @param {HardwareConfig} hardware
   * @param {boolean} linear
   */
  constructor(wasm, sources, hardware, linear) {
    this.wasm = wasm;
    this.sources = sources;
    this.hardware = hardware;
    const [first] = sources;
    const more = sources.length > 1 ? ` and ${sources.length - 1} more` : '';
    const name = `${first?.name ?? ''}${more}`;
    const linearIsOptional = wasm.linear_is_optional();
    const account = wasm.account();
    this.file = describeFile({ kind: 'checkpoint', name, linear, linearIsOptional, account, stages: [] });
    this.weights = {
      tile: (/** @type {number} */ layer, /** @type {number} */ tile, /** @type {PruneSettings} */ pruning) =>
        wasm.tile(layer, tile, pruning),
      adcPlan: (/** @type {PruneSettings} */ pruning) => wasm.adc_plan(pruning),
      masks: (/** @type {PruneSettings} */ pruning) => wasm.masks(pruning),
      export: (/** @type {PruneSettings} */ pruning) => wasm.pruned_weights(pruning),
    };
  }

  /**
   * Reads a checkpoint; throws if it can't be displayed on this hardware.
   * @param {WasmModule} module
   * @param {File[]} sources
   * @param {CheckpointOptions & { hardware: HardwareConfig, pruning: PruneSettings }} options
   *   `pruning` suits any weights
   */
  static async read(module, sources, { linear, network = null, hardware, pruning }) {
    const files = await Promise.all(sources.map(readBytes));
    const parsed = parse(module, files, { linear, network });
    try {
      parsed.wasm.set_hardware(hardware);
      parsed.wasm.view(pruning);
      return new CheckpointFile(parsed.wasm, sources, hardware, parsed.linear);
    } catch (thrown) {
      parsed.wasm.free();
      throw thrown;
    }
  }

  /** @param {PruneSettings} pruning */
  view(pruning) {
    return this.wasm.view(pruning);
  }

  /** @param {PruneSettings} pruning */
  inference(pruning) {
    return this.wasm.inference(pruning);
  }

  /** Its analysis; the rest is the waiting run's. @param {PruneSettings} pruning @param {Report | null} run */
  report(pruning, run) {
    const { analysis } = this.view(pruning);
    return { ...run, checkpoint: this.file.name, hardware: this.hardware, analysis };
  }

  /** A checkpoint can be mapped to any hardware. */
  supports() {
    return true;
  }

  /** @param {HardwareConfig} hardware */
  setHardware(hardware) {
    this.wasm.set_hardware(hardware);
    this.hardware = hardware;
  }

  close() {
    this.wasm.free();
  }
}
