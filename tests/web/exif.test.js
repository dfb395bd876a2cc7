import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { withoutExif } from '../../web/worker/exif.js';

const bytesOf = async (/** @type {Blob} */ blob) => new Uint8Array(await blob.arrayBuffer());
const has = (/** @type {Uint8Array} */ bytes, /** @type {string} */ text) =>
  new TextDecoder('latin1').decode(bytes).includes(text);

test('a turned JPEG loses its Exif and nothing else', async () => {
  const turned = readFileSync(new URL('../golden/pictures/turned.jpg', import.meta.url));
  expect(has(turned, 'Exif')).toBe(true);
  const plain = await bytesOf(await withoutExif(new Blob([turned])));
  expect(has(plain, 'Exif')).toBe(false);
  expect([...plain.slice(0, 2)]).toEqual([0xff, 0xd8]);
  expect([...plain.slice(-64)]).toEqual([...turned.subarray(-64)]);
  const at = new TextDecoder('latin1').decode(turned).indexOf('Exif') - 4;
  const length = 2 + 256 * (turned[at + 2] ?? 0) + (turned[at + 3] ?? 0);
  expect(plain.length).toBe(turned.length - length);
});

test('other files stay as they are', async () => {
  const png = new Blob([new Uint8Array([0x89, 0x50, 0x4e, 0x47])]);
  expect(await withoutExif(png)).toBe(png);
  const cut = new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xe1, 0xff])]);
  expect(await withoutExif(cut)).toBe(cut);
});
