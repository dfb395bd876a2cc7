import { readFileSync } from 'node:fs';

import { expect } from '@playwright/test';

import { loaded, open, report, saved, steps, test } from './page.js';
import { pth } from './pth.js';

const file = (/** @type {string} */ name, /** @type {Buffer} */ buffer) => ({ name, mimeType: '', buffer });

/** The first layers of a MobileNet and a fully connected layer, with torchvision's names. */
const MOBILE = [
  { name: 'features.0.0.weight', shape: [32, 3, 3, 3] },
  { name: 'features.0.1.running_mean', shape: [32] },
  { name: 'features.1.0.weight', shape: [32, 1, 3, 3] },
  { name: 'features.2.0.weight', shape: [64, 32, 1, 1] },
  { name: 'classifier.1.weight', shape: [100, 64] },
];

test('the maps of a torchvision .pth are shown, with or without fully connected layers', async ({ page }) => {
  await open(page);
  await steps(page, 1);
  await page.locator('#file').setInputFiles(file('mobile.pth', pth(MOBILE)));
  const message = page.locator('.message');
  const layers = page.locator('#map-list .layer-name');
  await expect(message).toContainText('Showing mobile.pth');
  await expect(layers).toHaveText([
    /^features\.0\.0/,
    /^features\.1\.0.*9 inputs → × 32 outputs ↓ in 32 groups · 32 tiles/,
    /^features\.2\.0/,
  ]);
  await expect(page.locator('#totals')).toContainText('×');
  await message.getByRole('button', { name: 'Include fully connected layers' }).click();
  await expect(layers).toHaveCount(4);
  await expect(message).toContainText('with its fully connected layers');
  await message.getByRole('button', { name: 'Convolutions only' }).click();
  await expect(layers).toHaveCount(3);
  await message.getByRole('button', { name: 'Back to the run' }).click();
  await expect(message).toHaveCount(0);
  expect((await report(page)).training.step).toBe(1);
});

test('a checkpoint is recognized by its content, and the page says what was read', async ({ page }) => {
  await open(page);
  await page.locator('#file').setInputFiles(file('model_best.pth.tar', pth(MOBILE)));
  const message = page.locator('.message');
  await expect(message).toContainText('Showing model_best.pth.tar');
  await message.getByText('What was read').click();
  const lines = message.locator('details li');
  await expect(lines.first()).toContainText('Taken: 3 layers');
  await expect(message.locator('details')).toContainText('1 fully connected (classifier.1.weight)');
  const { analysis } = await report(page);
  expect(analysis.checkpoint.taken.length).toBe(3);
});

test('a network without convolutions is shown by its fully connected layers', async ({ page }) => {
  await open(page);
  await page
    .locator('#file')
    .setInputFiles(file('transformer.pth', pth([{ name: 'block.0.weight', shape: [96, 64] }])));
  await expect(page.locator('.message')).toContainText(
    'Showing transformer.pth with its fully connected layers',
  );
  await expect(page.locator('#map-list .layer-name')).toHaveCount(1);
});

test('a hostile checkpoint gives one error message', async ({ page }) => {
  await open(page);
  const good = pth(MOBILE);
  const header = (/** @type {string} */ text, /** @type {number} */ claimed) => {
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(claimed));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const huge = '{"w":{"dtype":"F32","shape":[1000000,1000000,3,3],"data_offsets":[0,36000000000000]}}';
  const files = [
    file('cut.pth', good.subarray(0, good.length - 100)),
    file('calls.pth', Buffer.from('\x80\x02cos\nsystem\nX\x04\x00\x00\x00trueq\x00\x85R.', 'latin1')),
    file('claims.safetensors', header(huge, huge.length)),
    file('long.safetensors', header('{', 2 ** 50)),
    file('empty.pth', Buffer.alloc(0)),
  ];
  const message = page.locator('.message.error');
  for (const hostile of files) {
    await page.locator('#file').setInputFiles(hostile);
    await expect(message).toContainText(hostile.name);
    await expect(message).toHaveCount(1);
  }
  await steps(page, 1);
  expect((await report(page)).training.step).toBe(1);
});

/** The tensors of a safetensors file. @param {string} path */
function tensors(path) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  delete header.__metadata__;
  return Object.fromEntries(
    Object.entries(header).map(
      ([
        name,
        {
          data_offsets: [from, to],
          shape,
        },
      ]) => {
        const data = bytes.subarray(8 + length + from, 8 + length + to);
        return [
          name,
          { shape, values: Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i)) },
        ];
      },
    ),
  );
}

test('pruned weights, masks and ADC plan of the run or a checkpoint can be saved', async ({ page }) => {
  await open(page);
  await steps(page, 1);
  const save = async (/** @type {string} */ item) => {
    await page.getByText('Save', { exact: true }).click();
    return saved(page, () => page.locator(item).click());
  };
  const runPlan = readFileSync(await save('#save-plan'), 'utf8')
    .trim()
    .split('\n');
  const { analysis } = await report(page);
  expect(runPlan.length).toBe(1 + analysis.tiles);
  expect(runPlan[0]).toContain('layer,down,across,rows,columns,level,bits_paper');

  await page.locator('#file').setInputFiles(file('mobile.pth', pth(MOBILE)));
  await expect(page.locator('.message')).toContainText('Showing mobile.pth');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ rule: 'exact', strength: 90 }));
  const [weights, masks] = [tensors(await save('#save-weights')), tensors(await save('#save-masks'))];
  expect(Object.keys(weights).sort()).toEqual(MOBILE.map(({ name }) => name).sort());
  expect(Object.keys(masks).sort()).toEqual(
    MOBILE.filter(({ shape }) => shape.length === 4)
      .map(({ name }) => name)
      .sort(),
  );
  let zeros = 0;
  for (const [name, mask] of Object.entries(masks)) {
    expect(mask.shape).toEqual(weights[name]?.shape);
    mask.values.forEach((kept, at) => expect(weights[name]?.values[at] === 0).toBe(kept === 0));
    zeros += mask.values.filter((kept) => kept === 0).length;
  }
  expect(zeros).toBeGreaterThan(0);
  const plan = readFileSync(await save('#save-plan'), 'utf8')
    .trim()
    .split('\n');
  // A header; 1 tile for 27 inputs and 32 outputs, 32 for 32 groups, 2 for 32 inputs and 64 outputs.
  expect(plan.length).toBe(1 + 1 + 32 + 2);
});

test('while a run waits for its data, a file can be shown and adjusted', async ({ page }) => {
  await page.goto('./#device=cpu&data=cifar10');
  await loaded(page);
  await expect(page.locator('.message.error')).toContainText('CIFAR-10 is not beside this page');
  await page.locator('#file').setInputFiles(file('mobile.pth', pth(MOBILE)));
  const message = page.locator('.message').filter({ hasText: 'Showing mobile.pth' });
  await expect(message).toBeVisible();
  // There is no run to go back to.
  await expect(message.getByRole('button', { name: 'Back to the run' })).toHaveCount(0);
  const layers = page.locator('#map-list .layer-name');
  await expect(layers).toHaveCount(3);
  await expect(layers.nth(2)).not.toContainText('· 8 tiles');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ tile: 16, strength: 50 }));
  await expect(layers.nth(2)).toContainText('· 8 tiles');
});
