import { readFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from '@playwright/test';

import { open, report, saved, steps, test } from './page.js';

const FIXTURES = path.join(import.meta.dirname, '../onnx/fixtures');
const fixture = (/** @type {string} */ name) => readFileSync(path.join(FIXTURES, name));
const file = (/** @type {string} */ name, /** @type {Buffer} */ buffer) => ({ name, mimeType: '', buffer });

/**
 * The energy of an inference, whose models share their conversions.
 * @param {import('@playwright/test').Page} page
 * @returns {Promise<any>}
 */
const inference = (page) => page.evaluate(() => /** @type {any} */ (window).crossdub.inference());

test('an ONNX model is told by its content, and its graph says how often each layer is used', async ({
  page,
}) => {
  /** @type {string[]} */
  const requested = [];
  page.on('request', (request) => requested.push(new URL(request.url()).pathname));
  await open(page, '#device=cpu&tile=32');
  await steps(page, 1);
  // The module for ONNX is loaded when it is needed.
  expect(requested.filter((name) => name.includes('/onnx/'))).toEqual([]);
  await page.locator('#file').setInputFiles(file('renamed.bin', fixture('small_vgg.torchscript.onnx')));
  const message = page.locator('.message');
  await expect(message).toContainText('Showing renamed.bin');
  expect(requested.some((name) => name.endsWith('/pkg/onnx/crossdub_bg.wasm'))).toBe(true);
  // 3 x 3 x 3 inputs take one crossbar of 32 rows, 4 x 3 x 3 take two.
  const layers = page.locator('#map-list .layer-name');
  await expect(layers).toHaveText([
    /^features\.0.*27 inputs → × 4 outputs ↓ · 1 tile/,
    /^features\.3.*36 inputs → × 6 outputs ↓ · 2 tiles/,
  ]);
  const { analysis } = await report(page);
  expect(analysis.tiles).toBe(3);
  expect(analysis.weights).toBe(4 * 27 + 6 * 36);
  expect(analysis.checkpoint.format).toBe('onnx');
  expect(analysis.checkpoint.left_out.map((/** @type {any} */ { name, why }) => [name, why])).toEqual([
    ['classifier.0.weight', 'fully connected'],
    ['classifier.3.weight', 'fully connected'],
  ]);
  const { positions, table, input_slices, weight_slices, polarities } = await inference(page);
  // 32 x 32 windows, and 16 x 16 after pooling.
  expect(positions).toEqual([1024, 256]);
  const { dense } = table[0].conversions;
  expect(dense).toBe((4 * 1024 + 2 * 6 * 256) * input_slices * weight_slices * polarities);
  // What `crossdub analyze --per-inference --tile 32` counts.
  expect(dense).toBe(802816);
  await message.getByRole('button', { name: 'Include fully connected layers' }).click();
  await expect(layers).toHaveCount(4);
  expect((await inference(page)).positions).toEqual([1024, 256, 1, 1]);
  await message.getByRole('button', { name: 'Back to the run' }).click();
  expect((await report(page)).training.step).toBe(1);
});

test('a quantized model keeps its integers, and grouped layers their groups', async ({ page }) => {
  await open(page, '#device=cpu&tile=32');
  await page.locator('#file').setInputFiles(file('blocks.qdq.onnx', fixture('blocks.qdq.onnx')));
  const message = page.locator('.message');
  await message.getByText('What was read').click();
  await expect(message.locator('details')).toContainText('Taken: 6 layers (onnx)');
  await expect(message.locator('details')).toContainText('1 fully connected (head.weight)');
  await expect(message.locator('details')).toContainText(
    '6 layers hold integers, which are not quantized again',
  );
  const { analysis } = await report(page);
  expect(analysis.layers.map((/** @type {any} */ { groups }) => groups)).toEqual([1, 8, 1, 1, 4, 1]);
  // As `crossdub analyze --per-inference --tile 32` counts them.
  expect([analysis.tiles, analysis.zeros]).toEqual([17, 5]);
  const { positions, table } = await inference(page);
  expect(positions).toEqual([64, 64, 1, 1, 64, 256]);
  expect(table[0].conversions.dense).toBe(431200);
});

test('weights in another file are read if it is opened too, else it is named', async ({ page }) => {
  await open(page);
  const model = file('small_vgg.onnx', fixture('external/small_vgg.onnx'));
  const weights = file('small_vgg.bin', fixture('external/weights/small_vgg.bin'));
  await page.locator('#file').setInputFiles(model);
  const error = page.locator('.message.error');
  await expect(error).toContainText(
    'its weights are in weights/small_vgg.bin: open that file together with it',
  );
  await page.locator('#file').setInputFiles([model, weights]);
  await expect(page.locator('.message:not(.error)')).toContainText('Showing small_vgg.onnx.');
  await expect(error).toBeHidden();
  expect((await report(page)).analysis.weights).toBe(324);
  // The folder that holds both is as good.
  await page.getByRole('button', { name: 'Back to the run' }).click();
  await page.locator('#folder').setInputFiles(path.join(FIXTURES, 'external'));
  await expect(page.locator('.message')).toContainText('Showing small_vgg.onnx.');
});

test('sizes that a model leaves open are asked for', async ({ page }) => {
  await open(page);
  await page.locator('#file').setInputFiles(file('open_shape.onnx', fixture('open_shape.onnx')));
  const message = page.locator('.message');
  await expect(message).toContainText('leaves the shape of its input open, [batch, 3, height, width]');
  const sizes = message.getByLabel('Sizes of the input');
  await sizes.fill('1x3x8');
  await message.getByRole('button', { name: 'Open', exact: true }).click();
  await expect(message).toContainText('the input images is [batch, 3, height, width]');
  await sizes.fill('1x3x8x8');
  await message.getByRole('button', { name: 'Open', exact: true }).click();
  await expect(message).toContainText('Showing open_shape.onnx');
  // 8 x 8 windows, and 4 x 4 after pooling.
  expect((await inference(page)).positions).toEqual([64, 16]);
});

test('the pruned model is saved as ONNX, every other byte as it was', async ({ page }) => {
  await open(page, '#device=cpu&tile=32');
  const before = fixture('small_vgg.torchscript.onnx');
  await page.locator('#file').setInputFiles(file('net.onnx', before));
  await expect(page.locator('.message')).toContainText('Showing net.onnx');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ rule: 'exact', strength: 80 }));
  const save = async (/** @type {string} */ item) => {
    await page.getByText('Save', { exact: true }).click();
    return readFileSync(await saved(page, () => page.locator(item).click()));
  };
  const after = await save('#save-weights');
  expect(after.length).toBe(before.length);
  expect(after.equals(before)).toBe(false);
  const masks = await save('#save-masks');
  const header = JSON.parse(masks.subarray(8, 8 + Number(masks.readBigUInt64LE(0))).toString());
  expect(header['features.3.weight'].shape).toEqual([6, 4, 3, 3]);
  await page.locator('#file').setInputFiles(file('pruned.onnx', after));
  await expect(page.locator('.message')).toContainText('Showing pruned.onnx');
  const { analysis } = await report(page);
  // 80 % of the weights count as zeros, and levels are reached by columns.
  expect(analysis.zeros).toBeGreaterThan(0.4 * analysis.weights);
  expect(analysis.energy.paper.improvement).toBeGreaterThan(1);
});

test('a hostile model gives one error message', async ({ page }) => {
  await open(page);
  const good = fixture('blocks.dynamo.onnx');
  const claims = Buffer.from(good);
  // A version, then a graph that claims 2 GB.
  const long = Buffer.from([0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0a]);
  for (let at = 64; at < claims.length; at += 61) claims[at] = 0xff;
  const message = page.locator('.message.error');
  for (const hostile of [
    file('half.onnx', good.subarray(0, good.length / 2)),
    file('start.onnx', good.subarray(0, 40)),
    file('long.onnx', long),
    file('random.onnx', claims),
  ]) {
    await page.locator('#file').setInputFiles(hostile);
    await expect(message).toContainText(hostile.name);
    await expect(message).toHaveCount(1);
  }
  await page.locator('#file').setInputFiles(file('good.onnx', good));
  await expect(page.locator('.message')).toContainText('Showing good.onnx');
  await page.getByRole('button', { name: 'Back to the run' }).click();
  await steps(page, 1);
  expect((await report(page)).training.step).toBe(1);
});
