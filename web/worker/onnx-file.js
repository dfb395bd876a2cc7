/** An ONNX model: its own module reads and writes it, the training module maps and prunes its layers. */

import { failure } from '../api/errors.js';
import { asFailure } from './failure.js';
import { readBytes } from './files.js';

/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/wasm').WasmCheckpoint} WasmCheckpoint */
/** @typedef {import('../types/wasm').WasmOnnxFile} WasmOnnxFile */
/** @typedef {import('./files.js').OpenedPath} OpenedPath */
/** @typedef {import('./modules.js').Modules} Modules */
/** @typedef {import('./opened-file.js').Source} Source */
/** @typedef {import('./opened-file.js').OpenOptions} OpenOptions */

/** A path without `.` and doubled separators. @param {string} path */
const plainPath = (path) =>
  path
    .split(/[/\\]+/)
    .filter((part) => part !== '' && part !== '.')
    .join('/');

/**
 * The file that a model names, by its path from the model's folder. Files that were dropped without their folders are
 * found by their names.
 * @param {OpenedPath} model
 * @param {OpenedPath[]} opened
 * @param {string} location
 * @returns {OpenedPath | null}
 */
export function findBeside(model, opened, location) {
  const folder = model.path.split('/').slice(0, -1).join('/');
  const wanted = plainPath(`${folder}/${location}`);
  const others = opened.filter(({ file }) => file !== model.file);
  const there = others.find(({ path }) => plainPath(path) === wanted);
  if (there) return there;
  const name = wanted.split('/').at(-1);
  const named = others.filter(({ file, path }) => file.name === name && !path.includes('/'));
  return named.length === 1 ? (named[0] ?? null) : null;
}

/**
 * Reads the model of a source, works with it, and frees it: it takes as much memory as its file.
 * @template T
 * @param {Modules} modules
 * @param {Source} source
 * @param {OpenOptions} options
 * @param {(model: WasmOnnxFile, used: Set<OpenedPath>) => T} work
 * @returns {Promise<T>}
 */
async function withModel(modules, { files: [first], beside }, { input_shape }, work) {
  if (!first) throw failure('file', 'opening ONNX: there is no file');
  const { name, bytes } = await readBytes(first.file);
  return modules.onnx.use(name, (module) => {
    /** @type {Set<OpenedPath>} */
    const used = new Set();
    const read = (/** @type {string} */ location) => {
      const found = findBeside(first, beside, location);
      if (!found) return null;
      used.add(found);
      return new Uint8Array(new FileReaderSync().readAsArrayBuffer(found.file));
    };
    const model = module.OnnxFile.open(name, bytes, read, { input_shape });
    try {
      return work(model, used);
    } finally {
      model.free();
    }
  });
}

/**
 * Includes fully connected layers if asked to, or if there are no others.
 * @param {WasmOnnxFile} model
 * @param {boolean} linear
 */
function takenLayers(model, linear) {
  try {
    return { layers: model.layers(linear), linear };
  } catch (thrown) {
    if (linear || asFailure(thrown).code !== 'no-layers') throw thrown;
    return { layers: model.layers(true), linear: true };
  }
}

/**
 * Reads a model, and hands its layers over to the training module.
 * @param {Modules} modules
 * @param {Source} source
 * @param {OpenOptions} options
 * @returns {Promise<import('./opened-file.js').Parsed>}
 */
export async function readOnnx(modules, source, options) {
  const { wasm, linear, linearIsOptional } = await withModel(modules, source, options, (model, used) => {
    const taken = takenLayers(model, options.linear);
    const account = model.account(taken.linear);
    const unused = source.otherWeights.filter((path) => ![...used].some((each) => each.path === path));
    if (unused.length > 0) account.notes.push(`weights in other files are not shown: ${unused.join(', ')}`);
    return {
      wasm: modules.cpu.Checkpoint.from_layers(taken.layers, account, model.positions(taken.linear)),
      linear: taken.linear,
      linearIsOptional: model.linear_is_optional(),
    };
  });
  const rewritten = (/** @type {PruneSettings} */ pruning) =>
    withModel(modules, source, options, (model) => onlyFile(model.with_layers(wasm.pruned_layers(pruning))));
  const masks = (/** @type {PruneSettings} */ pruning) =>
    withModel(modules, source, options, (model) => model.masks(wasm.pruned_layers(pruning)));
  return { wasm, linear, linearIsOptional, export: rewritten, masks };
}

/** The bytes of a model whose weights lie in its own file. @param {import('../types/wasm').NamedBytes[]} files */
function onlyFile([model, ...others]) {
  if (!model) throw failure('internal', 'the model was not written');
  if (others.length > 0) {
    const names = others.map(({ name }) => name).join(', ');
    const why = `its weights lie in other files (${names}), which \`crossdub prune\` writes beside it`;
    throw failure('file', `saving ${model.name}: ${why}`);
  }
  return model.bytes;
}
