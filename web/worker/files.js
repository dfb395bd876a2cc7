/** Files that the page opens, and CIFAR-10's files beside the page. Rust checks their contents. */

import { failure } from '../api/errors.js';

/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */

const FOLDER = 'data/cifar-10/';
const NAMES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`).concat('test_batch.bin');
/** A larger file does not fit the module's memory. */
const MAX_BYTES = 1.5 * 2 ** 30;

const DATA = /\.(bin|tar|tar\.gz|tgz)$/i;
const REPORT = /\.json$/i;
const CHECKPOINT = /\.(safetensors|pt|pth)$/i;

/**
 * The kind of files that were opened together; throws if the page does not take them, or if they are mixed.
 * @param {string[]} names
 * @returns {'data' | 'checkpoint' | 'report'}
 */
export function kindOfFiles(names) {
  if (names.length > 0 && names.every((name) => DATA.test(name))) return 'data';
  if (names.length === 1 && names.every((name) => CHECKPOINT.test(name))) return 'checkpoint';
  if (names.length > 0 && names.every((name) => REPORT.test(name))) return 'report';
  const known =
    'CIFAR-10 as .bin or .tar.gz files, one checkpoint as .safetensors, .pt or .pth, or reports as .json';
  throw failure('file', `opening ${names.join(', ') || 'nothing'}: this page takes ${known}`);
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
  /** @type {NamedBytes[]} */
  #files = [];

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
    if (data !== 'cifar10') return [];
    if (this.#files.length === 0) this.#files = await this.#fetchAll();
    return this.#files;
  }

  /** @param {NamedBytes[]} files */
  set(files) {
    this.#files = files;
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
