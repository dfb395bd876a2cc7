/** One's own pictures: decoded and brought to 32 x 32 by the browser, whose planes Rust then sorts into classes. */

import { failure } from '../api/errors.js';
import { withoutExif } from './exif.js';

/** @typedef {import('../types/wasm').NamedBytes} NamedBytes */

/** A picture or a file of labels, where it lies in its folder. @typedef {{ path: string, blob: Blob }} PlacedFile */

const SIDE = 32;
const PIXELS = SIDE * SIDE;
/** The most pictures: they are kept in memory. */
const MAX_PICTURES = 50_000;
/** The largest share that may be unreadable. */
const MAX_BAD = 0.1;

/**
 * The planes of each picture; files of labels as they are. `unreadable` are the paths of pictures that are none.
 * @param {PlacedFile[]} files
 * @param {(path: string) => boolean} isPicture
 * @param {(text: string) => void} onBusy
 * @returns {Promise<{ files: NamedBytes[], unreadable: string[] }>}
 */
export async function decodePictures(files, isPicture, onBusy) {
  const pictures = files.filter(({ path }) => isPicture(path)).length;
  if (pictures > MAX_PICTURES) {
    throw failure('file', `opening ${pictures} pictures: this page takes ${MAX_PICTURES} at most`);
  }
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw failure('internal', 'this browser gives no canvas to decode pictures with');
  /** @type {NamedBytes[]} */
  const decoded = [];
  /** @type {string[]} */
  const unreadable = [];
  for (const [at, { path, blob }] of files.entries()) {
    if (!isPicture(path)) {
      decoded.push({ name: path, bytes: new Uint8Array(await blob.arrayBuffer()) });
      continue;
    }
    if (at % 50 === 0) onBusy(`Reading picture ${at + 1} of ${pictures}.`);
    const bytes = await planes(blob, context);
    if (bytes) decoded.push({ name: path, bytes });
    else unreadable.push(path);
  }
  if (unreadable.length > MAX_BAD * pictures) {
    const what = `${unreadable.length} of ${pictures} pictures can't be read`;
    throw failure('file', `reading pictures (${unreadable[0]}): ${what}`);
  }
  return { files: decoded, unreadable };
}

/**
 * Red, green and blue planes of a picture; null if the browser can't decode it.
 * @param {Blob} blob
 * @param {OffscreenCanvasRenderingContext2D} context
 */
async function planes(blob, context) {
  // Scaled as a whole and not turned, as `crossdub predict` does it. What is transparent becomes black here.
  const options = /** @type {const} */ ({
    resizeWidth: SIDE,
    resizeHeight: SIDE,
    resizeQuality: 'high',
    imageOrientation: 'none',
    colorSpaceConversion: 'none',
  });
  const bitmap = await createImageBitmap(await withoutExif(blob), options).catch(() => null);
  if (!bitmap) return null;
  context.clearRect(0, 0, SIDE, SIDE);
  context.drawImage(bitmap, 0, 0, SIDE, SIDE);
  bitmap.close();
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const bytes = new Uint8Array(3 * PIXELS);
  for (let at = 0; at < PIXELS; at += 1) {
    for (let plane = 0; plane < 3; plane += 1) bytes[plane * PIXELS + at] = data[4 * at + plane] ?? 0;
  }
  return bytes;
}
