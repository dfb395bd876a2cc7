/** A checkpoint or an ONNX model that is displayed instead of the run. */

import { asFailure } from './failure.js';
import { readBytes } from './files.js';
import { readOnnx } from './onnx-file.js';

/** @typedef {import('../types/messages').Viewable} Viewable */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */
/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/types').Report} Report */
/** @typedef {import('../types/wasm').WasmCheckpoint} WasmCheckpoint */
/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** @typedef {import('../types/messages').OpenedFile} OpenedFile */
/** @typedef {import('./files.js').OpenedPath} OpenedPath */

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

/** @typedef {import('../types/wasm').CheckpointOptions & { input_shape?: string[] }} OpenOptions */

/**
 * The files of a network: a checkpoint or its shards, or an ONNX model. `beside` are all files that were opened
 * together, where a model finds its weights, and `otherWeights` the paths of checkpoints among them.
 * @typedef {{ kind: 'checkpoint' | 'onnx', files: OpenedPath[], beside: OpenedPath[], otherWeights: string[] }} Source
 */

/**
 * What was read: layers in the training module, and how to write them.
 * @typedef {object} Parsed
 * @property {WasmCheckpoint} wasm
 * @property {boolean} linear
 * @property {boolean} linearIsOptional
 * @property {(pruning: PruneSettings) => Promise<Uint8Array> | Uint8Array} export
 * @property {(pruning: PruneSettings) => Promise<Uint8Array> | Uint8Array} masks
 */

/**
 * Includes 2-D layers if asked to, or if there are no others: a transformer has no convolutions.
 * @param {WasmModule} module
 * @param {import('../types/wasm').NamedBytes[]} files
 * @param {OpenOptions} options
 * @returns {Parsed}
 */
function parse(module, files, { linear, network = null }) {
  const open = (/** @type {boolean} */ wanted) => {
    const wasm = module.Checkpoint.open(files, { linear: wanted, network });
    return {
      wasm,
      linear: wanted,
      linearIsOptional: wasm.linear_is_optional(),
      export: (/** @type {PruneSettings} */ pruning) => wasm.pruned_weights(pruning),
      masks: (/** @type {PruneSettings} */ pruning) => wasm.masks(pruning),
    };
  };
  try {
    return open(linear);
  } catch (thrown) {
    if (linear || asFailure(thrown).code !== 'no-layers') throw thrown;
    return open(true);
  }
}

/** @implements {Viewable} */
export class CheckpointFile {
  /** @type {{ key: string, view: import('../types/types').View } | null} */
  #last = null;

  /**
   * @param {Parsed} parsed
   * @param {Source} source
   * @param {OpenOptions} options
   * @param {HardwareConfig} hardware
   */
  constructor({ wasm, linear, linearIsOptional, ...writes }, source, options, hardware) {
    this.wasm = wasm;
    this.source = source;
    this.options = { ...options, linear };
    this.hardware = hardware;
    const [first, ...shards] = source.files;
    const more = shards.length > 0 ? ` and ${shards.length} more` : '';
    const name = `${first?.file.name ?? ''}${more}`;
    const account = wasm.account();
    this.file = describeFile({ kind: 'checkpoint', name, linear, linearIsOptional, account, stages: [] });
    this.noNetworkReason =
      source.kind === 'onnx'
        ? 'this page does not run ONNX models: give it to `crossdub simulate`, or go back to the run first'
        : 'a checkpoint does not describe its network: name it to `crossdub simulate`, or go back to the run first';
    this.weights = {
      tile: (/** @type {number} */ layer, /** @type {number} */ tile, /** @type {PruneSettings} */ pruning) =>
        wasm.tile(layer, tile, pruning),
      adcPlan: (/** @type {PruneSettings} */ pruning) => wasm.adc_plan(pruning),
      ...writes,
    };
  }

  /**
   * Reads a checkpoint or an ONNX model; throws if it can't be displayed on this hardware.
   * @param {import('./modules.js').Modules} modules
   * @param {Source} source
   * @param {OpenOptions} options
   * @param {{ hardware: HardwareConfig, pruning: PruneSettings }} mapping `pruning` suits any weights
   */
  static async read(modules, source, options, { hardware, pruning }) {
    const parsed =
      source.kind === 'onnx'
        ? await readOnnx(modules, source, options)
        : parse(modules.cpu, await Promise.all(source.files.map(({ file }) => readBytes(file))), options);
    try {
      parsed.wasm.set_hardware(hardware);
      const file = new CheckpointFile(parsed, source, options, hardware);
      file.view(pruning);
      return file;
    } catch (thrown) {
      parsed.wasm.free();
      throw thrown;
    }
  }

  /** The last view is kept: of a large network it takes a second. @param {PruneSettings} pruning */
  view(pruning) {
    const key = JSON.stringify([pruning, this.hardware]);
    if (this.#last?.key !== key) this.#last = { key, view: this.wasm.view(pruning) };
    return this.#last.view;
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
