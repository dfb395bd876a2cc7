/** CIFAR-10's files: found beside the page, or given by the user. Their content is checked by the Rust side. */

/** @typedef {import('../types/types').NamedBytes} NamedBytes */

const BESIDE = 'data/cifar-10/';
const NAMES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`).concat('test_batch.bin');
/** Above this a file can't be held in the module's memory. */
const LARGEST = 1.5 * 2 ** 30;

const DATA = /\.(bin|tar|tar\.gz|tgz)$/i;
const REPORT = /\.json$/i;
const CHECKPOINT = /\.(safetensors|pt|pth)$/i;

/**
 * What files that were dropped together are; thrown when they are nothing the page takes, or a mixture.
 * @param {string[]} names
 * @returns {'data' | 'checkpoint' | 'report'}
 */
export function kindOfAll(names) {
  if (names.length > 0 && names.every((name) => DATA.test(name))) return 'data';
  if (names.length === 1 && names.every((name) => CHECKPOINT.test(name))) return 'checkpoint';
  if (names.length > 0 && names.every((name) => REPORT.test(name))) return 'report';
  const known =
    'CIFAR-10 as .bin or .tar.gz files, one checkpoint as .safetensors, .pt or .pth, or reports as .json';
  throw { message: `opening ${names.join(', ') || 'nothing'}: this page takes ${known}` };
}

/**
 * @param {File} file
 * @returns {Promise<NamedBytes>}
 */
export async function read(file) {
  if (file.size > LARGEST)
    throw { message: `reading ${file.name}: it is too large for the browser (over 1.5 GB)` };
  return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) };
}

/** @param {Response} answer */
function isBinary(answer) {
  // A host that answers every address with its front page has no data.
  return answer.ok && !answer.headers.get('content-type')?.includes('html');
}

export class DataFiles {
  /** @type {NamedBytes[]} */
  #files = [];

  /** @param {string} base */
  constructor(base) {
    this.base = base;
  }

  /**
   * What `Trainer.open` takes for this data source.
   * @param {string} data
   * @returns {Promise<NamedBytes[]>}
   */
  async of(data) {
    if (data !== 'cifar10') return [];
    if (this.#files.length === 0) this.#files = await this.#beside();
    return this.#files;
  }

  /** @param {NamedBytes[]} files */
  keep(files) {
    this.#files = files;
  }

  /** @returns {Promise<NamedBytes[]>} */
  async #beside() {
    const address = (/** @type {string} */ name) => new URL(BESIDE + name, this.base).href;
    const probe = await fetch(address('data_batch_1.bin'), { method: 'HEAD' }).catch(() => null);
    if (!probe || !isBinary(probe)) {
      const what = 'cifar-10-binary.tar.gz, or all six .bin files together';
      throw { message: `CIFAR-10 is not beside this page: drop ${what}, here.`, field: 'data' };
    }
    return Promise.all(
      NAMES.map(async (name) => {
        const answer = await fetch(address(name));
        if (!isBinary(answer))
          throw { message: `reading CIFAR-10 (${name}): the file is not beside the page` };
        return { name, bytes: new Uint8Array(await answer.arrayBuffer()) };
      }),
    );
  }
}
