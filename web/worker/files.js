/** Files that the page opens, and CIFAR-10's files beside the page. Rust checks their contents. */

import { failure } from '../api/errors.js';

/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */

const FOLDER = 'data/cifar-10/';
const NAMES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`).concat('test_batch.bin');
/** A larger file does not fit the module's memory. */
const MAX_BYTES = 1.5 * 2 ** 30;

/** Bytes at a file's ends that tell its kind. */
const END_BYTES = 64 * 1024;
/** Bytes of one image in CIFAR's binary files: one or two labels and 32 x 32 x 3 values. */
const CIFAR_RECORDS = [3073, 3074];

/** What data is called in messages. */
const DATA_NAMES = { cifar10: 'CIFAR-10', cifar100: 'CIFAR-100', folder: 'your own pictures' };

/** @typedef {'data' | 'pictures' | 'labels' | 'archive' | 'checkpoint' | 'onnx' | 'report' | 'index'} KnownKind */
/** @typedef {KnownKind | 'unknown'} FileKind */
/** @typedef {import('../types/wasm').WasmModule} WasmModule */
/** A file, and where it lies in an opened folder. @typedef {{ file: File, path: string }} OpenedPath */

/**
 * What a file is, by its content; pictures by their names.
 * @param {WasmModule} module
 * @param {OpenedPath} opened
 * @returns {Promise<FileKind>}
 */
async function kindOf(module, { file, path }) {
  const bytes = async (/** @type {number} */ from, /** @type {number} */ to) =>
    new Uint8Array(await file.slice(from, to).arrayBuffer());
  const text = (/** @type {Uint8Array} */ part) => new TextDecoder('latin1').decode(part);
  // What the name decides needs no bytes: a folder may hold 50,000 pictures.
  const byName = module.kind_of_file(path, new Uint8Array());
  if (byName === 'picture') return 'pictures';
  if (byName === 'labels') return 'labels';
  if (byName === 'cifar') return 'data';
  const head = await bytes(0, END_BYTES);
  const kind = module.kind_of_file(path, head);
  const starts = (/** @type {number[]} */ ...magic) => magic.every((byte, at) => head[at] === byte);
  // A safetensors header of this length follows.
  const isSafetensors = head[8] === 0x7b && head.subarray(4, 8).every((byte) => byte === 0);
  const isPickle = head[0] === 0x80 && (head[1] ?? 0) >= 2 && (head[1] ?? 0) <= 5;
  if (isSafetensors || isPickle) return 'checkpoint';
  if (starts(0x50, 0x4b, 3, 4)) {
    const names = text(head) + text(await bytes(Math.max(0, file.size - END_BYTES), file.size));
    return names.includes('data.pkl') ? 'checkpoint' : 'archive';
  }
  if (/^\s*\{/.test(text(head.subarray(0, 64)))) {
    return text(head).includes('"weight_map"') ? 'index' : 'report';
  }
  if (kind === 'archive' || kind === 'onnx') return kind;
  const isRecords = CIFAR_RECORDS.some((record) => file.size > 0 && file.size % record === 0);
  return isRecords ? 'data' : 'unknown';
}

/**
 * The kind of files that were opened together, told by their content, and those of them that are of this kind; throws
 * if they are mixed. Of a folder, the files that say nothing of weights are passed over.
 * @param {WasmModule} module
 * @param {OpenedPath[]} opened
 * @returns {Promise<OpenedFiles>}
 */
export async function kindOfFiles(module, opened) {
  return sortOut(opened, await Promise.all(opened.map((each) => kindOf(module, each))));
}

/**
 * What was opened: the files of its kind, and the paths of checkpoints among the others.
 * @typedef {object} OpenedFiles
 * @property {'data' | 'pictures' | 'archive' | 'checkpoint' | 'onnx' | 'report'} kind
 * @property {OpenedPath[]} files
 * @property {string[]} [otherWeights]
 */

/**
 * @param {OpenedPath[]} files
 * @param {FileKind[]} kinds
 * @returns {OpenedFiles}
 */
export function sortOut(files, kinds) {
  const of = (/** @type {FileKind[]} */ ...wanted) =>
    files.filter((_, at) => wanted.includes(kinds[at] ?? 'unknown'));
  const weights = of('checkpoint', 'index');
  const models = of('onnx');
  // One model says the whole network; of several, a checkpoint beside them is the better choice.
  if (models.length === 1) {
    return { kind: 'onnx', files: models, otherWeights: weights.map(({ path }) => path) };
  }
  if (weights.length > 0 && of('data').length === 0) return { kind: 'checkpoint', files: weights };
  if (models.length > 0) {
    throw failure('file', `opening ${namesOf(models)}: this page shows one ONNX model at a time`);
  }
  if (of('pictures').length > 0) return { kind: 'pictures', files: of('pictures', 'labels') };
  if (files.length === 1 && of('archive').length === 1) return { kind: 'archive', files };
  if (files.length > 0 && of('report').length === files.length) return { kind: 'report', files };
  // A download leaves the archive beside what was unpacked from it.
  const data = of('data').length > 0 ? of('data') : of('archive');
  if (data.length > 0 && of('report').length === 0) return { kind: 'data', files: data };
  // The reader of checkpoints says what a single unknown file is.
  if (files.length === 1) return { kind: 'checkpoint', files };
  const known =
    'checkpoints (PyTorch, safetensors), ONNX models, CIFAR (files or archive), pictures (JPEG or PNG, one folder ' +
    'per class, or an archive of them) or reports of runs (JSON)';
  throw failure('file', `opening ${namesOf(files)}: this page takes ${known}, one kind at a time`);
}

/** The first names. @param {OpenedPath[]} files */
function namesOf(files) {
  const names = files.slice(0, 4).map(({ file }) => file.name);
  return (files.length > 4 ? [...names, '…'] : names).join(', ') || 'nothing';
}

/**
 * @param {File} file
 * @returns {Promise<NamedBytes>}
 */
export async function readBytes(file) {
  if (file.size > MAX_BYTES) {
    throw failure('file', `reading ${file.name}: it is too large for the browser (over 1.5 GB)`);
  }
  return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
}

/** @param {Response} response */
function isBinary(response) {
  // A host may answer every URL with its front page.
  return response.ok && !response.headers.get('content-type')?.includes('html');
}

export class DataFiles {
  /** Files that were opened or fetched, by the data they hold. @type {Map<string, NamedBytes[]>} */
  #files = new Map();

  /** @param {string} base */
  constructor(base) {
    this.base = base;
  }

  /**
   * The files of a data source, for `Run.open`.
   * @param {string} data
   * @returns {Promise<NamedBytes[]>}
   */
  async load(data) {
    if (data === 'builtin') return [];
    const known = this.#files.get(data);
    if (known) return known;
    if (data !== 'cifar10') {
      const name = DATA_NAMES[/** @type {keyof typeof DATA_NAMES} */ (data)] ?? data;
      throw failure('file', `The page does not have ${name}: open the files.`, 'data');
    }
    const files = await this.#fetchAll();
    this.#files.set(data, files);
    return files;
  }

  /** Keeps the files of a data source, and no others. @param {string} data @param {NamedBytes[]} files */
  set(data, files) {
    this.#files = new Map([[data, files]]);
  }

  /** @returns {Promise<NamedBytes[]>} */
  async #fetchAll() {
    const url = (/** @type {string} */ name) => new URL(FOLDER + name, this.base).href;
    const probe = await fetch(url('data_batch_1.bin'), { method: 'HEAD' }).catch(() => null);
    if (!probe || !isBinary(probe)) {
      const what = 'cifar-10-binary.tar.gz, or all six .bin files together';
      throw failure('file', `CIFAR-10 is not beside this page: open ${what}.`, 'data');
    }
    return Promise.all(
      NAMES.map(async (name) => {
        const response = await fetch(url(name));
        if (!isBinary(response)) {
          throw failure('file', `reading CIFAR-10 (${name}): the file is not beside the page`, 'data');
        }
        return { name, bytes: new Uint8Array(await response.arrayBuffer()) };
      }),
    );
  }
}
