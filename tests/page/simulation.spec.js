import { expect } from '@playwright/test';

import { open, picture, reach, steps, test } from './page.js';

const SMALL = '#device=cpu&plan=8+M+16+M&classifier=16&tile=16';

test('lossless converters are exact, and a traced column adds up', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 20);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune({ strength: 80 }));
  await page.locator('#resolution').selectOption('lossless-sliced');
  await page.locator('#prove-images').fill('4');
  await page.getByRole('button', { name: 'Simulate' }).click();
  await expect(page.locator('#proof-words')).toContainText('4 images at resolution lossless-sliced');
  await expect(page.locator('#proof-words')).toContainText('Exact: every output integer');
  await expect(page.locator('#proof-numbers b')).toHaveCount(3);
  await expect(page.locator('#proof-layers tbody tr')).toHaveCount(2);
  await expect(page.locator('#by-hand-sum')).toContainText('nothing is lost');
  const column = await page.evaluate(() =>
    /** @type {any} */ (window).crossdub.column({ layer: 0, tile: 0, column: 1, position: 40 }),
  );
  const product = column.weights.reduce(
    (/** @type {number} */ sum, /** @type {number} */ weight, /** @type {number} */ row) =>
      sum + weight * column.applied[row],
    0,
  );
  expect([column.result, column.expected]).toEqual([product, product]);
});

test('converters with too few bits saturate, and the map shows where', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 2);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ resolution: '1', strength: 0 }));
  const simulation = await page.evaluate(() => /** @type {any} */ (window).crossdub.prove({ images: 2 }));
  expect(simulation).toMatchObject({ images: 2, exact: false });
  expect(simulation.saturated_conversions).toBeGreaterThan(0);
  await expect(page.locator('#proof-words')).toContainText('Not exact');
  const before = await picture(page, '#map-list .layer:last-child canvas');
  await page.locator('#map-mode input[value=saturated]').check({ force: true });
  await expect.poll(() => picture(page, '#map-list .layer:last-child canvas')).not.toBe(before);
  // A change of the network clears its simulation.
  await steps(page, 1);
  await expect(page.locator('#proof')).toBeHidden();
  const rejected = await page.evaluate(() =>
    /** @type {any} */ (window).crossdub.prove({ images: 0 }).catch((/** @type {any} */ e) => e.field),
  );
  expect(rejected).toBe('images');
});

test('ADC model and resolution apply to every chart, and the table compares all models', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 1);
  await page.locator('#models').scrollIntoViewIfNeeded();
  const rows = page.locator('#model-rows tbody tr');
  await expect(rows).toHaveCount(9);
  await page.locator('#map-mode input[value=bits]').check({ force: true });
  const pictures = ['#converters svg', '#map-list .layer:last-child canvas', '#pareto .plot svg'];
  const before = await Promise.all(pictures.map((selector) => picture(page, selector)));
  await page.locator('#adc').selectOption('isaac');
  await page.locator('#resolution').selectOption('lossless');
  for (const [at, selector] of pictures.entries())
    await expect.poll(() => picture(page, selector), { message: selector }).not.toBe(before[at]);
  await expect(page.locator('#model-rows tr.chosen')).toContainText('isaac');
  expect(page.url()).toContain('adc=isaac');
  const inference = await page.evaluate(() => /** @type {any} */ (window).crossdub.inference());
  expect(inference.table.every((/** @type {any} */ row) => row.per_tile.dense >= row.per_tile.actual)).toBe(
    true,
  );
});

test('a simulation ends when its network changes, and its result is not shown', async ({ page }) => {
  await open(page);
  await steps(page, 2);
  const ended = await page.evaluate(async () => {
    const { crossdub } = /** @type {any} */ (window);
    const simulation = crossdub.prove({ images: 1000 }).then(
      () => 'it went on',
      (/** @type {any} */ error) => error.message,
    );
    while (document.querySelector('#proof')?.checkVisibility() !== true)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await crossdub.step();
    return simulation;
  });
  expect(ended).toContain('the simulation ended because its network was changed');
  await expect(page.locator('#proof')).toBeHidden();
});

test('once a run pauses, the table of models is of its last step', async ({ page }) => {
  await open(page, `${SMALL}&regularizer=gated&lambda=0.01`);
  // Computed only while it is in view, so that no control may be scrolled to.
  await page.locator('#models').scrollIntoViewIfNeeded();
  await page.evaluate(() => /** @type {any} */ (window).crossdub.start());
  await reach(page, 30);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
  await expect(page.locator('#status')).toContainText('Paused.');
  const shown = () => page.locator('#model-rows tbody tr').allInnerTexts();
  // What the pause has asked for, which nothing on the page announces.
  await page.waitForTimeout(3000);
  const before = await shown();
  // Asked again, nothing changes. The table is drawn with the next frame.
  await page.evaluate(async () => {
    await /** @type {any} */ (window).crossdub.inference();
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  });
  expect(await shown()).toEqual(before);
});
