import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { expect } from '@playwright/test';

import { open, report, saved, spec, steps, test } from './page.js';
import { png } from './png.js';
import { zip } from './pth.js';
import { tar } from './tar.js';

/** @typedef {{ name: string, bytes: Buffer }} Named */

/** Twelve pictures of each of three classes, in one folder per class. @returns {Named[]} */
function pictures() {
  /** @type {Record<string, (x: number, y: number, at: number) => [number, number, number]>} */
  const classes = {
    red: (x, y, at) => [255, 4 * at, (x + y) % 64],
    green: (x, y, at) => [4 * at, 255, (x + y) % 64],
    stripes: (x, _, at) => (x % 8 < 4 ? [255, 255, 255] : [at, at, at]),
  };
  return Object.entries(classes).flatMap(([name, colour]) =>
    Array.from({ length: 12 }, (_, at) => ({
      name: `mine/${name}/${at}.png`,
      bytes: png(40, (x, y) => colour(x, y, at)),
    })),
  );
}

const chosen = (/** @type {string} */ name, /** @type {Buffer} */ buffer) => ({ name, mimeType: '', buffer });

test('a zip of pictures, one folder per class, is trained on and named on the charts', async ({ page }) => {
  await open(page);
  await page.locator('#file').setInputFiles(chosen('mine.zip', zip(pictures())));
  await expect.poll(async () => (await spec(page)).data).toBe('folder');
  const classes = page.locator('#picture-classes li');
  await expect(classes).toHaveText([/green 12 pictures/, /red 12 pictures/, /stripes 12 pictures/]);
  await expect(classes.first().locator('canvas')).toHaveCount(4);
  await expect(page.locator('#class-words')).toHaveText('green, red and stripes');
  await expect(page.locator('#accuracy-words')).toContainText('green, red and stripes');
  await steps(page, 2);
  expect((await report(page)).training.step).toBe(2);
  // The weights say what their outputs are.
  const file = await saved(page, async () => {
    await page.locator('#save-menu summary').click();
    await page.locator('#save-weights').click();
  });
  const bytes = readFileSync(file);
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  expect(JSON.parse(header.__metadata__.classes)).toEqual(['green', 'red', 'stripes']);
  expect(header.__metadata__.standardize).toBe('image');
});

test('a tar archive of pictures is read, compressed or not', async ({ page }) => {
  await open(page);
  const classes = page.locator('#picture-classes li');
  await page.locator('#file').setInputFiles(chosen('mine.tar.gz', gzipSync(tar(pictures()))));
  await expect(classes).toHaveText([/green 12 pictures/, /red 12 pictures/, /stripes 12 pictures/]);
  expect((await spec(page)).data).toBe('folder');
  const two = pictures().filter(({ name }) => !name.includes('stripes'));
  await page.locator('#file').setInputFiles(chosen('two.tar', tar(two)));
  await expect(classes).toHaveText([/green 12 pictures/, /red 12 pictures/]);
  const texts = gzipSync(tar([{ name: 'a/readme.txt', bytes: Buffer.from('x') }]));
  await page.locator('#file').setInputFiles(chosen('texts.tgz', texts));
  await expect(page.locator('.message.error')).toContainText('texts.tgz');
});

test('a dropped folder is read with its paths', async ({ page }) => {
  await open(page);
  const files = pictures().map(({ name, bytes }) => ({ name, bytes: [...bytes] }));
  await page.evaluate(async (given) => {
    const all = given.map(
      ({ name, bytes }) => new File([new Uint8Array(bytes)], name.split('/').at(-1) ?? ''),
    );
    await /** @type {any} */ (window).crossdub.load(all, { paths: given.map(({ name }) => name) });
  }, files);
  expect((await spec(page)).data).toBe('folder');
  await expect(page.locator('#picture-classes li')).toHaveCount(3);
  await page.locator('select[name=data]').selectOption('builtin');
  await expect(page.locator('#pictures')).toBeHidden();
  await expect(page.locator('#class-words')).toHaveText('10 image classes');
});

test('a chosen folder is read, and pictures of other kinds are counted and named', async ({ page }) => {
  await open(page);
  const folder = await mkdtemp(path.join(tmpdir(), 'crossdub-pictures-'));
  const others = ['a.webp', 'b.gif', '.hidden.png'].map((name) => ({
    name: `mine/red/${name}`,
    bytes: Buffer.from('x'),
  }));
  for (const { name, bytes } of [...pictures(), ...others]) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, bytes);
  }
  await page.locator('#folder').setInputFiles(path.join(folder, 'mine'));
  await expect(page.locator('#picture-classes li')).toHaveText([/green 12/, /red 12/, /stripes 12/]);
  await expect(page.locator('#picture-note')).toContainText(
    'Pictures left out because they are neither JPEG nor PNG: 2 (mine/red/a.webp, mine/red/b.gif).',
  );
  // The same from a zip, whose hidden files are named too.
  await page.locator('#file').setInputFiles(chosen('mine.zip', zip([...pictures(), ...others])));
  await expect(page.locator('#picture-note')).toContainText('names start with a dot');
  await rm(folder, { recursive: true });
});

test('classes are counted as they were read, wherever a folder has their name', async ({ page }) => {
  await open(page);
  // A folder of a class's name inside another class counts to that one.
  const nested = pictures().map(({ name, bytes }, at) => ({
    name: name.startsWith('mine/red/') && at < 5 ? name.replace('mine/red/', 'mine/red/green/') : name,
    bytes,
  }));
  await page.locator('#file').setInputFiles(chosen('mine.zip', zip(nested)));
  await expect(page.locator('#picture-classes li')).toHaveText([/green 12/, /red 12/, /stripes 12/]);
});

test('a zip of CIFAR-10 is opened as that', async ({ page }) => {
  await open(page);
  const records = (/** @type {number} */ count) =>
    Buffer.concat(Array.from({ length: count }, (_, at) => Buffer.alloc(3073, at % 10)));
  const files = [
    { name: 'cifar-10-batches-bin/batches.meta.txt', bytes: Buffer.from('airplane\n') },
    { name: 'cifar-10-batches-bin/data_batch_1.bin', bytes: records(40) },
    { name: 'cifar-10-batches-bin/test_batch.bin', bytes: records(20) },
  ];
  await page.locator('#file').setInputFiles(chosen('download', zip(files)));
  await expect.poll(async () => (await spec(page)).data).toBe('cifar10');
  await steps(page, 1);
});

test('what is no set of pictures gives one clear line, and the run stays', async ({ page }) => {
  await open(page);
  await steps(page, 1);
  const all = pictures();
  const only = (/** @type {string} */ part) => all.filter(({ name }) => name.includes(part));
  const cases = [
    { name: 'climbs.zip', files: [{ name: '../x/1.png', bytes: Buffer.from('x') }], says: 'leads out of it' },
    { name: 'texts.zip', files: [{ name: 'a/readme.txt', bytes: Buffer.from('x') }], says: 'no JPEG or PNG' },
    { name: 'one.zip', files: only('red'), says: 'one folder per class' },
    {
      name: 'few.zip',
      files: [...only('red'), ...only('green/1.')],
      says: 'the class green needs at least 10 pictures and has 1',
    },
    {
      name: 'broken.zip',
      files: all.map(({ name }) => ({ name, bytes: Buffer.from('no picture') })),
      says: "36 of 36 pictures can't be read",
    },
  ];
  const message = page.locator('.message.error');
  for (const { name, files, says } of cases) {
    await page.locator('#file').setInputFiles(chosen(name, zip(files)));
    await expect(message).toContainText(says);
    await expect(message).toHaveCount(1);
  }
  expect((await report(page)).training.step).toBe(1);
  expect((await spec(page)).data).toBe('builtin');
});

test('standardization is a setting of the page and of its URL', async ({ page }) => {
  await open(page, '#device=cpu&standardize=half');
  expect((await spec(page)).standardize).toBe('half');
  await page.locator('#more').click();
  await page.locator('select[name=standardize]').selectOption('none');
  await expect.poll(() => page.url()).toContain('standardize=none');
});
