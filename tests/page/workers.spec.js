import { expect } from '@playwright/test';

import { report, test } from './page.js';

const RUN = 'plan=8+M+16+M&classifier=16&batch=12&dropout=0.2&seed=3&device=cpu';
const STEPS = 4;

/**
 * A new page: at the same address the browser would only move within it.
 * @param {import('@playwright/test').Page} page
 * @param {string} workers
 */
async function open(page, workers) {
  await page.goto('about:blank');
  await page.goto(`./?workers=${workers}#${RUN}`);
}

/**
 * Losses of a new page's first steps.
 * @param {import('@playwright/test').Page} page
 * @param {string} workers
 */
async function losses(page, workers) {
  await open(page, workers);
  return page.evaluate(async (steps) => {
    const { crossdub } = /** @type {any} */ (window);
    await crossdub.ready;
    for (let at = 0; at < steps; at += 1) await crossdub.step();
    const { training } = await crossdub.report();
    return training.history.map((/** @type {{ loss: number }} */ { loss }) => loss);
  }, STEPS);
}

test('workers that share each batch train as one does, and a run repeats', async ({ page }) => {
  const alone = await losses(page, '1');
  await expect(page.locator('#status')).not.toContainText('workers');
  for (const workers of ['2', '8', '4']) {
    const shared = await losses(page, workers);
    await expect(page.locator('#status')).toContainText(`, ${workers} workers`);
    expect(shared).toHaveLength(STEPS);
    for (const [at, loss] of shared.entries()) expect(Math.abs(loss - (alone[at] ?? NaN))).toBeLessThan(1e-4);
    if (workers === '4') expect(await losses(page, workers)).toEqual(shared);
  }
});

test('workers follow the run through stages and other hardware', async ({ page }) => {
  const steps = async () => {
    await page.evaluate(async () => {
      const { crossdub } = /** @type {any} */ (window);
      await crossdub.ready;
      await crossdub.step();
      await crossdub.set({ tile: 16, lambda: 0.01 });
      for (let at = 0; at < 2; at += 1) await crossdub.step();
      await crossdub.prune({ rule: 'exact', strength: 1 });
      for (let at = 0; at < 2; at += 1) await crossdub.step();
      await crossdub.undo();
      await crossdub.step();
    });
    return (await report(page)).training.history.map((/** @type {any} */ { step, loss }) => ({ step, loss }));
  };
  await open(page, '1');
  const alone = await steps();
  await open(page, '3');
  const shared = await steps();
  expect(shared).toHaveLength(alone.length);
  for (const [at, { step, loss }] of shared.entries()) {
    expect(step).toBe(alone[at]?.step);
    expect(Math.abs(loss - (alone[at]?.loss ?? NaN))).toBeLessThan(1e-4);
  }
});

test('a worker that ends is replaced', async ({ page }) => {
  const expected = await losses(page, '2');
  await open(page, '2');
  await page.evaluate(async () => {
    const { crossdub } = /** @type {any} */ (window);
    await crossdub.ready;
    await crossdub.step();
  });
  const [, helper] = page.workers();
  await helper?.evaluate(() => close());
  await page.evaluate(async (steps) => {
    const { crossdub } = /** @type {any} */ (window);
    for (let at = 1; at < steps; at += 1) await crossdub.step();
  }, STEPS);
  const { training } = await report(page);
  expect(training.history.map((/** @type {{ loss: number }} */ { loss }) => loss)).toEqual(expected);
  await expect(page.locator('#status')).toContainText(', 2 workers');
  await expect(page.locator('.message')).toHaveCount(0);
});

test('an invalid number of workers is ignored, with a message', async ({ page }) => {
  await page.goto(`./?workers=many#${RUN}`);
  await expect(page.locator('.message')).toContainText(
    'Ignored invalid URL settings: workers=many (1 to 8).',
  );
});
