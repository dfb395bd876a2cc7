import { expect } from '@playwright/test';

import { open, picture, reach, report, spec, test } from './page.js';

/** @param {{ loss: number }[]} entries */
const mean = (entries) => entries.reduce((sum, { loss }) => sum + loss, 0) / entries.length;

/**
 * The longest task of the main thread in a trace, in milliseconds of its own processor time, so that other work on
 * the same cores doesn't count.
 * @param {Buffer} trace
 */
function longestTask(trace) {
  /** @type {{ traceEvents: { name: string, pid: number, tid: number, tdur?: number, args?: { name?: string } }[] }} */
  const { traceEvents } = JSON.parse(trace.toString());
  const mains = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  );
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) =>
      name === 'ThreadControllerImpl::RunTask' && mains.some((main) => main.pid === pid && main.tid === tid),
  );
  return Math.max(0, ...tasks.map(({ tdur }) => tdur ?? 0)) / 1000;
}

test('the loss falls by a third within 60 steps, and the charts follow', async ({ page }) => {
  await open(page);
  const pictures = [
    '#loss svg',
    '#regularizer svg',
    '#energy svg',
    '#map-list .layer:last-child canvas',
    '#tile .cells canvas',
  ];
  await expect(page.locator('#tile .cells canvas')).toBeVisible();
  const before = await Promise.all(pictures.map((selector) => picture(page, selector)));
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 60);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('button', { name: 'Start' })).toBeVisible();

  const { training } = await report(page);
  const first60 = training.history.slice(0, 60);
  expect(first60.map((/** @type {any} */ entry) => entry.step)).toEqual(
    Array.from({ length: 60 }, (_, i) => i + 1),
  );
  // Batches of 16 are noisy, hence the mean of the last ten steps.
  expect(mean(first60.slice(50))).toBeLessThan((2 / 3) * first60[0].loss);
  expect(training.images_per_second).toBeGreaterThan(0);
  for (const [index, selector] of pictures.entries()) {
    await expect.poll(() => picture(page, selector), { message: selector }).not.toBe(before[index]);
  }
  await expect(page.locator('#energy svg')).toHaveAttribute('aria-label', /paper \d/);
});

test('pause holds, a step is one step, reset starts over', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 3);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.locator('#status')).toContainText('Paused.');
  const paused = (await report(page)).training.step;
  await page.waitForTimeout(600);
  expect((await report(page)).training.step).toBe(paused);
  await page.getByRole('button', { name: 'Step' }).click();
  await reach(page, paused + 1);
  expect((await report(page)).training.step).toBe(paused + 1);
  await page.getByRole('button', { name: 'Reset' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(0);
  expect((await report(page)).training.history).toEqual([]);
});

test('the same seed gives the same losses, another seed different ones', async ({ page }) => {
  await open(page);
  const two = () =>
    page.evaluate(async () => {
      const { crossdub } = /** @type {any} */ (window);
      await crossdub.step();
      await crossdub.step();
      return (await crossdub.report()).training.history.map((/** @type {any} */ entry) => entry.loss);
    });
  const first = await two();
  await page.getByRole('button', { name: 'Reset' }).click();
  await reach(page, 0);
  await expect.poll(async () => (await report(page)).training.step).toBe(0);
  expect(await two()).toEqual(first);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ seed: 7 }));
  expect(await two()).not.toEqual(first);
});

test('no long task on the main thread while training', async ({ page, browser }) => {
  await open(page);
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 40);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
  const training = longestTask(await browser.stopTracing());
  expect(training).toBeGreaterThan(0);
  expect(training).toBeLessThan(200);

  // Checks that the measurement would notice a long task.
  await browser.startTracing(page, { categories: ['toplevel', '__metadata'] });
  await page.evaluate(() => {
    const sum = (/** @type {number} */ count) => {
      let total = 0;
      for (let i = 0; i < count; i += 1) total += Math.sqrt(i);
      return total;
    };
    for (const start = performance.now(); performance.now() - start < 2000;) sum(1e6);
  });
  expect(longestTask(await browser.stopTracing())).toBeGreaterThan(200);
});

test('a run can continue after a reload', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 4);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
  const before = (await report(page)).training;
  await page.reload();
  await page.getByRole('button', { name: 'Resume it' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(before.step);
  // Losses are the same to the bit; improvements are stored in single precision.
  const losses = (/** @type {any} */ training) =>
    training.history.map((/** @type {any} */ { step, loss }) => [step, loss]);
  expect(losses((await report(page)).training)).toEqual(losses(before));
  expect((await spec(page)).plan).toBe((await report(page)).spec.plan);
});

test('a run that can’t be resumed yet is offered again', async ({ page }) => {
  await open(page);
  const records = (/** @type {number} */ count) =>
    Buffer.concat(Array.from({ length: count }, (_, at) => Buffer.alloc(3073, at % 10)));
  const file = (/** @type {string} */ name, /** @type {number} */ count) => ({
    name,
    mimeType: '',
    buffer: records(count),
  });
  const files = [file('data_batch_1.bin', 64), file('test_batch.bin', 20)];
  await page.locator('#file').setInputFiles(files);
  await expect.poll(async () => (await spec(page)).data).toBe('cifar10');
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 3);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
  const { step } = (await report(page)).training;
  // A new page has no files of its user yet.
  await page.goto('about:blank');
  await open(page);
  await page.getByRole('button', { name: 'Resume it' }).click();
  await expect(page.locator('.message.error')).toContainText('CIFAR-10');
  await expect(page.getByRole('button', { name: 'Resume it' })).toBeVisible();
  await page.locator('#file').setInputFiles(files);
  await expect.poll(async () => (await spec(page)).data).toBe('cifar10');
  await page.getByRole('button', { name: 'Resume it' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(step);
});

test('what is being typed stays while training goes on', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 2);
  const field = page.getByLabel('Regularization λ');
  await field.press('ControlOrMeta+a');
  await field.pressSequentially('0.005');
  const { step } = (await report(page)).training;
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ adc: 'isaac' }));
  await reach(page, step + 3);
  await expect(field).toHaveValue('0.005');
  expect((await spec(page)).lambda).not.toBe(0.005);
  await field.press('Enter');
  await expect.poll(async () => (await spec(page)).lambda).toBe(0.005);
});
