import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

import { expect } from '@playwright/test';

import { drop, loaded, open, picture, report, spec, test } from './page.js';

test('the module loaded at start is under a megabyte compressed', () => {
  for (const name of ['cpu', 'cpu-relaxed']) {
    const module = readFileSync(`dist/pkg/${name}/crossdub_bg.wasm`);
    expect(gzipSync(module, { level: 9 }).length).toBeLessThan(1_000_000);
  }
});

test('the module for ONNX is small: what trains is not in it', () => {
  const module = readFileSync('dist/pkg/onnx/crossdub_bg.wasm');
  expect(gzipSync(module, { level: 9 }).length).toBeLessThan(250_000);
});

test('settings are in the URL and survive a reload', async ({ page }) => {
  await open(page);
  const fields = {
    plan: '8 M 16 M',
    classifier: '24',
    lambda: 0.0025,
    tile: 16,
    seed: 11,
    milestones: [2, 3],
    augment: false,
    strength: 42.5,
  };
  await page.evaluate((given) => /** @type {any} */ (window).crossdub.set(given), fields);
  const before = await spec(page);
  expect(before).toMatchObject({
    plan: '8 M 16 M',
    classifier: '24',
    lambda: 0.0025,
    tile: 16,
    seed: 11,
    milestones: [2, 3],
    augment: false,
    device: 'cpu',
  });
  const url = page.url();
  expect(url).not.toContain('momentum');
  await page.goto('about:blank');
  await page.goto(url);
  await loaded(page);
  expect(await spec(page)).toEqual(before);
  expect(page.url()).toBe(url);
  await expect(page.locator('#strength-value')).toHaveText('42.5 %');
  await expect(page.getByLabel('Network plan')).toHaveValue('8 M 16 M');
});

test('invalid settings in the URL are ignored, with one message', async ({ page }) => {
  await open(page, '#device=cpu&batch=-4&tile=sixteen&wings=2&seed=5');
  const now = await spec(page);
  expect(now.seed).toBe(5);
  expect(now.batch).toBe(16);
  expect(now.tile).toBe(32);
  const message = page.locator('.message.error');
  await expect(message).toHaveCount(1);
  for (const part of ['batch=-4', 'tile=sixteen', 'wings=2']) await expect(message).toContainText(part);
});

test('an invalid value is reported, marked, and changes nothing', async ({ page }) => {
  await open(page);
  const before = await spec(page);
  const url = page.url();
  await page.evaluate(() => {
    Object.assign(window, { errors: [] });
    window.addEventListener('crossdub:error', (event) =>
      /** @type {any} */ (window).errors.push(/** @type {any} */ (event).detail),
    );
  });
  await page.getByLabel('Network plan').fill('32 M M M M M M M');
  await page.getByLabel('Network plan').press('Enter');
  await expect(page.locator('.message.error')).toContainText(/plan/);
  await expect(page.getByLabel('Network plan')).toHaveAttribute('aria-invalid', 'true');
  expect(await spec(page)).toEqual(before);
  expect(page.url()).toBe(url);
  const errors = await page.evaluate(() => /** @type {any} */ (window).errors);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ field: 'plan' });
  const rejected = await page.evaluate(() =>
    /** @type {any} */ (window).crossdub.set({ batch: 0 }).then(
      () => null,
      (/** @type {any} */ e) => [e.field, e.message],
    ),
  );
  expect(rejected[0]).toBe('batch');
  await page.getByLabel('Network plan').fill('8 M 16 M');
  await page.getByLabel('Network plan').press('Enter');
  await expect(page.getByLabel('Network plan')).not.toHaveAttribute('aria-invalid');
  expect((await spec(page)).plan).toBe('8 M 16 M');
  await expect(page.locator('.message.error')).toHaveCount(0);
});

test('hardware settings can change during a run', async ({ page }) => {
  await open(page);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
  const tiles = (await report(page)).analysis.tiles;
  await page.getByLabel('Crossbar rows').selectOption('16');
  await expect.poll(async () => (await report(page)).analysis.tile).toBe(16);
  const after = await report(page);
  expect(after.training.step).toBe(1);
  expect(after.analysis.tiles).toBeGreaterThan(tiles);
  await expect(page.locator('#tile-size')).toHaveText('16 × 16 cells');
});

test('the strength changes the preview, not the weights', async ({ page }) => {
  await open(page);
  const slider = page.getByRole('slider');
  const totals = page.locator('#totals');
  await expect(totals).toContainText('paper');
  const [before, weights] = [await totals.innerText(), (await report(page)).analysis];
  await slider.fill('95');
  await expect(page.locator('#strength-value')).toHaveText('95 %');
  await expect.poll(() => totals.innerText()).not.toBe(before);
  expect(page.url()).toContain('strength=95');
  expect((await report(page)).analysis).toEqual(weights);
});

test('a bad file gives one error message, and nothing is lost', async ({ page }) => {
  await open(page);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
  const before = await report(page);
  const message = page.locator('.message.error');
  const bad = [
    { name: 'data_batch_1.bin', bytes: Array(3000).fill(1), says: /data_batch_1\.bin/ },
    {
      name: 'weights.safetensors',
      bytes: [110, 111, 112, 101, 0, 0, 0, 0, 1, 2],
      says: /weights\.safetensors/,
    },
    { name: 'holiday.jpg', bytes: [1, 2, 3], says: /holiday\.jpg/ },
  ];
  for (const { name, bytes, says } of bad) {
    await drop(page, [{ name, bytes }]);
    await expect(message).toContainText(says);
    await expect(message).toHaveCount(1);
    await message.getByRole('button').click();
    await expect(message).toHaveCount(0);
  }
  const after = await report(page);
  expect(after.training.step).toBe(1);
  expect(after.training.history).toEqual(before.training.history);
  expect(after.analysis).toEqual(before.analysis);
});

test('CIFAR-10 files chosen together are used for training', async ({ page }) => {
  await open(page);
  // Records of a label and 3072 values, whose content doesn't matter here.
  const records = (/** @type {number} */ count) =>
    Buffer.from(
      Array.from({ length: count * 3073 }, (_, i) =>
        i % 3073 === 0 ? ((i / 3073) | 0) % 10 : (i * 31) % 251,
      ),
    );
  const file = (/** @type {string} */ name, /** @type {number} */ count) => ({
    name,
    mimeType: '',
    buffer: records(count),
  });
  await page.locator('#file').setInputFiles([file('data_batch_1.bin', 64), file('test_batch.bin', 20)]);
  await expect.poll(async () => (await spec(page)).data).toBe('cifar10');
  await expect(page.locator('select[name=data]')).toHaveValue('cifar10');
  expect(page.url()).toContain('data=cifar10');
  await page.getByRole('button', { name: 'Step' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(1);
  // After a bad file, the good ones are still there.
  await page
    .locator('#file')
    .setInputFiles([{ name: 'data_batch_1.bin', mimeType: '', buffer: Buffer.alloc(3072) }]);
  await expect(page.locator('.message.error')).toContainText('data_batch_1.bin');
  expect((await report(page)).training.step).toBe(1);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.reset());
  expect((await report(page)).training.step).toBe(0);
  expect((await spec(page)).data).toBe('cifar10');
});

test('a message asks for missing CIFAR-10 files, and the URL stays', async ({ page }) => {
  await page.goto('./#device=cpu&data=cifar10');
  await loaded(page);
  await expect(page.locator('.message.error')).toContainText('CIFAR-10 is not beside this page');
  await expect(page.getByRole('button', { name: 'Choose files…' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Start' })).toBeDisabled();
  expect((await spec(page)).data).toBe('cifar10');
  await page.locator('select[name=data]').selectOption('builtin');
  await expect(page.getByRole('button', { name: 'Start' })).toBeEnabled();
});

test('a WebGPU module with wrong results is not used', async ({ page }) => {
  const module = `export default async () => {}; export const self_test = async () => new Float32Array([1, 2, 3]);`;
  await page.route('**/pkg/webgpu/*', (route) => {
    const script = route.request().url().endsWith('.js');
    return route.fulfill({
      contentType: script ? 'text/javascript' : 'application/wasm',
      body: script ? module : '',
    });
  });
  await open(page, '#device=webgpu');
  await expect(page.locator('.message')).toContainText(/WebGPU can't be used: its self-test is wrong.* CPU/);
  await page.getByRole('button', { name: 'Step' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(1);
  expect((await report(page)).training.device).toBe('cpu');
  expect((await spec(page)).device).toBe('webgpu');
});

test('saved weights open as a checkpoint, and the run comes back', async ({ page }) => {
  await open(page);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
  await page.locator('#save-menu > summary').click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Weights' }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/\.safetensors$/);
  const stream = await download.createReadStream();
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const maps = () => page.locator('#map-list .layer-name').allInnerTexts();
  const before = await maps();
  await page.locator('#file').setInputFiles({ name: 'mine.safetensors', mimeType: '', buffer: bytes });
  await expect(page.locator('.message')).toContainText('Showing mine.safetensors');
  await expect(page.locator('#energy .empty')).toBeVisible();
  expect(await maps()).toEqual(before);
  await page.getByRole('button', { name: 'Back to the run' }).click();
  await expect(page.locator('#energy svg')).toBeVisible();
  expect((await report(page)).training.step).toBe(1);
});

test('every chart has a table and downloads', async ({ page }) => {
  await open(page);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
  const figures = page.locator('figure');
  await expect(figures).toHaveCount(12);
  for (const figure of await figures.all()) {
    await figure.locator('summary').click();
    await expect(figure.locator('.tools table')).toBeVisible();
    // Charts can be saved as SVG and PNG, maps as PNG.
    const drawn = {
      svg: (await figure.locator('.plot > svg').count()) > 0,
      any: (await figure.locator('.plot').locator('svg, canvas').count()) > 0,
    };
    await expect(figure.locator('.tools').getByRole('button')).toHaveText([
      /^CSV/,
      /^JSON/,
      ...(drawn.svg ? [/^SVG/] : []),
      ...(drawn.any ? [/^PNG/] : []),
    ]);
    await figure.locator('summary').click();
  }
  const row = page.locator('#histogram');
  await row.locator('summary').click();
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    row.getByRole('button', { name: 'CSV' }).click(),
  ]);
  expect(file.suggestedFilename()).toBe('crossdub-levels.csv');
});

test('the maps can be used by keyboard', async ({ page }) => {
  await open(page);
  const last = page.locator('.layer-map').last();
  const title = page.locator('#tile-title');
  const readout = page.locator('#map-readout');
  await last.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  await expect(readout).toContainText('tile 1 (row 0, column 1)');
  await expect(page.locator('#live')).toContainText('tile 1');
  const before = await picture(page, '#tile .cells canvas');
  await page.keyboard.press('Enter');
  await expect(title).toContainText('tile 1');
  expect(await picture(page, '#tile .cells canvas')).not.toBe(before);
});

test('an embedded page has no controls', async ({ page }) => {
  await page.goto('./?embed#device=cpu');
  await loaded(page);
  await expect(page.locator('#loss svg')).toBeVisible();
  await expect(page.getByLabel('Network plan')).toBeHidden();
  await expect(page.locator('#run')).toBeHidden();
  const controls = page.locator('#rule, #strength, #prune, #adc, #prove, #keep-run, #clear-runs, #open-file');
  expect(
    await controls.evaluateAll((nodes) =>
      nodes.filter((node) => node.checkVisibility()).map((node) => node.id),
    ),
  ).toEqual([]);
  await expect(page.locator('#loss svg')).not.toContainText('Press Start');
  await page.goto('./?embed=play#device=cpu');
  await expect(page.locator('#run')).toBeVisible();
  await expect(page.locator('#prune')).toBeHidden();
  await expect(page.getByLabel('Network plan')).toBeHidden();
});
