import { expect } from '@playwright/test';

import { open, report, spec, steps, test } from './page.js';

test('weights of 3 bits train under a cap, and their bit planes are drawn', async ({ page }) => {
  await open(page, '#device=cpu&plan=8+M+16+M&classifier=16&quantize_precision=3');
  await page.getByRole('button', { name: 'More…' }).click();
  const bits = page.getByLabel('Quantized to bits');
  const classifier = page.getByLabel('Quantized classifier');
  await expect(bits).toHaveValue('3');
  await classifier.check();
  await expect.poll(async () => (await spec(page)).quantize_linear).toBe(true);
  await expect(page).toHaveURL(/quantize_linear=true/);
  await steps(page, 2);
  // What has no effect on floats goes with the bits.
  await bits.fill('');
  await bits.press('Enter');
  await expect(classifier).toBeDisabled();
  await expect(classifier).not.toBeChecked();
  await expect(page.getByLabel('Most set cells')).toBeDisabled();
  await bits.fill('3');
  await bits.press('Enter');
  await page.getByLabel('Most set cells').fill('3');
  await page.getByLabel('Most set cells').press('Enter');
  await expect.poll(async () => (await spec(page)).quantize_cap).toBe('3');
  await expect(page).toHaveURL(/quantize_cap=3/);
  await steps(page, 12);

  const { analysis, training } = await report(page);
  expect(training.history.at(-1).loss).toBeGreaterThan(0);
  // Two slices of two polarities at 2 bits, where all cells of 8-bit weights take 7 slices at 5 or 6.
  expect(analysis.energy.lossless_sliced.improvement).toBeGreaterThan(7);

  await page.locator('.layer-map').last().click();
  const planes = page.locator('.bit-planes .plane');
  await expect(planes).toHaveCount(2);
  await expect(page.locator('.bit-planes')).toContainText('5 of 7 slices are empty');
  for (const caption of await planes.locator('p').allInnerTexts()) {
    const [, positive, negative] = /set: (\d+) \+, (\d+) −/.exec(caption) ?? [];
    expect(Math.max(Number(positive), Number(negative))).toBeLessThanOrEqual(3);
  }

  // Two slices of at most 2 bits, the others empty.
  await page.locator('#models').scrollIntoViewIfNeeded();
  const rows = page.locator('#slices tbody tr');
  await expect(rows).toHaveCount(2);
  const sliceBits = (await rows.first().locator('td').allInnerTexts()).map(Number);
  expect(sliceBits.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
  expect(Math.max(...sliceBits)).toBeLessThanOrEqual(2);
  await expect(page.locator('#totals')).toContainText('lossless, by set cells');
  await page.locator('#pareto-model input[value=cells]').check({ force: true });
  await expect(page.locator('#pareto')).toContainText('dense ÷ pruned (lossless, by set cells)');
  await expect(page.locator('#pareto-note')).toContainText('The published runs come without weights.');
});

test('a precision of 1 is refused, and the field keeps it', async ({ page }) => {
  await open(page, '#device=cpu&plan=8+M&classifier=16');
  await page.getByRole('button', { name: 'More…' }).click();
  const field = page.getByLabel('Quantized to bits');
  await field.fill('1');
  await field.press('Enter');
  await expect(page.locator('#messages')).toContainText('quantize_precision ("1"): must be 2 to 8 bits');
  await expect(field).toHaveAttribute('aria-invalid', 'true');
  expect((await spec(page)).quantize_precision).toBe('');
});

test('bit planes reach a target by set cells, and fine-tuning stays within it', async ({ page }) => {
  await open(page, '#device=cpu&plan=8+M+16+M&classifier=16&rule=bit-planes&target=12');
  await steps(page, 20);
  await expect(page.getByRole('radio', { name: 'Bit planes' })).toBeChecked();
  await expect(page.locator('#strength-value')).toHaveText('12.00×');
  // The preview: integers of fewer bits, counted by their set cells.
  const cells = page.locator('#totals .cells b');
  await expect(cells).toHaveText(/^1[2-9]\.\d×$/);
  await expect(page.locator('#totals .kept b')).toHaveText(/^\d+\.\d %$/);
  await page.getByRole('button', { name: 'Prune', exact: true }).click();
  await expect(page.locator('#stages tbody tr')).toHaveCount(2);
  await expect(page.locator('#strength-note')).toContainText('moves integers within each column’s limits');
  const improvement = async () => (await report(page)).analysis.energy.lossless_sliced.improvement;
  const pruned = await improvement();
  expect(pruned).toBeGreaterThanOrEqual(12);
  await page.getByRole('button', { name: 'Fine-tune' }).click();
  await expect.poll(async () => (await report(page)).training.history.length).toBeGreaterThan(23);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('button', { name: 'Start' })).toBeVisible();
  expect(await improvement()).toBeGreaterThanOrEqual(12);
  await page.getByRole('button', { name: 'Undo pruning' }).click();
  await expect(page.locator('#choose-pruning')).toBeVisible();
  expect((await report(page)).analysis.energy.lossless_sliced).toBeUndefined();
});

test('a target of set cells out of reach names the nearest', async ({ page }) => {
  await open(page, '#device=cpu&plan=8+M+16+M&classifier=16&rule=bit-planes&target=3');
  const message = await page.evaluate(async () => {
    const { crossdub } = /** @type {any} */ (window);
    return crossdub.set({ target: 100 }).then(
      () => 'met',
      (/** @type {Error} */ error) => error.message,
    );
  });
  expect(message).toMatch(/target \(100\): can't be met: at most \d+\.\d+ is possible/);
});
