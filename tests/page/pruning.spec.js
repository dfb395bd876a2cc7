import { expect } from '@playwright/test';

import { open, picture, reach, report, steps, test } from './page.js';

/** @param {any} report */
const zeros = ({ analysis }) => analysis.zeros;

test('a preview predicts pruning, fine-tuning keeps zeros, and undo restores the weights', async ({
  page,
}) => {
  await open(page, '#device=cpu&plan=8+M+16+M&classifier=16');
  const prune = page.getByRole('button', { name: 'Prune', exact: true });
  await expect(prune).toBeDisabled();
  await steps(page, 30);
  // The accuracy is measured when the slider rests, without changing anything.
  const accuracy = page.locator('#totals .kept b');
  await expect(accuracy).toHaveText(/^\d+\.\d %$/);
  const previewed = {
    accuracy: await accuracy.innerText(),
    paper: await page.locator('#totals .paper b').innerText(),
  };
  expect(zeros(await report(page))).toBe(0);

  await prune.click();
  await expect(page.locator('#stages tbody tr')).toHaveCount(2);
  const pruned = await report(page);
  expect(pruned.stages.map((/** @type {any} */ stage) => stage.kind)).toEqual(['train', 'prune']);
  expect(zeros(pruned)).toBeGreaterThan(0);
  await expect(page.locator('#stages tbody tr').last()).toContainText(previewed.accuracy);
  await expect(page.locator('#totals .paper b')).toHaveText(previewed.paper);
  await expect(page.locator('#choose-pruning')).toBeHidden();

  const before = await picture(page, '#loss svg');
  await page.getByRole('button', { name: 'Fine-tune' }).click();
  await expect(page.locator('#status')).toContainText('fine-tuning step');
  await expect.poll(async () => (await report(page)).training.history.length).toBeGreaterThan(33);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('button', { name: 'Start' })).toBeVisible();
  const tuned = await report(page);
  expect(zeros(tuned)).toBe(zeros(pruned));
  expect(tuned.stages.map((/** @type {any} */ stage) => stage.kind)).toEqual(['train', 'prune', 'finetune']);
  expect(tuned.training.history.map((/** @type {any} */ entry) => entry.step)).toEqual(
    tuned.training.history.map((/** @type {any} */ _, /** @type {number} */ at) => at + 1),
  );
  await expect.poll(() => picture(page, '#loss svg')).not.toBe(before);
  await expect(page.locator('#stages tbody tr')).toHaveCount(3);

  await page.getByRole('button', { name: 'Undo pruning' }).click();
  await expect(page.locator('#choose-pruning')).toBeVisible();
  const undone = await report(page);
  expect([undone.training.step, zeros(undone), undone.stages.length]).toEqual([30, 0, 1]);
  await expect(page.locator('#stages')).toBeHidden();
});

test('a budget reaches its energy target', async ({ page }) => {
  await open(page, '#device=cpu&plan=16+M+32+M&classifier=16&rule=budget&target=2');
  await steps(page, 2);
  await expect(page.getByRole('radio', { name: 'Budget' })).toBeChecked();
  await expect(page.locator('#strength-value')).toHaveText('2.00×');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune());
  const { stages, analysis } = await report(page);
  expect(stages[1].pruning).toMatchObject({ rule: 'budget', target: 2 });
  expect(analysis.energy.paper.improvement).toBeGreaterThanOrEqual(2);
  // The last tile's step may overshoot the target a little.
  expect(analysis.energy.paper.improvement).toBeLessThan(2.5);
});

test('the selected rule is in the URL and prunes', async ({ page }) => {
  await open(page, '#device=cpu&plan=8+M+16+M&classifier=16');
  await steps(page, 2);
  await page.getByRole('radio', { name: 'Paper' }).first().check({ force: true });
  await expect.poll(() => page.url()).toContain('rule=paper');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune({ strength: 60 }));
  const { stages } = await report(page);
  expect(stages[1].pruning).toMatchObject({ rule: 'paper', strength: 60 });
  const rejection = (/** @type {string} */ call) =>
    page.evaluate(
      (code) =>
        /** @type {any} */ (window).crossdub[code]({ strength: 101 }).then(
          () => '',
          (/** @type {any} */ e) => e.message,
        ),
      call,
    );
  expect(await rejection('prune')).toMatch(/strength/);
  await expect(page.locator('.message.error')).toHaveCount(1);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune().catch(() => undefined));
  await expect(page.locator('.message.error')).toContainText('pruned already');
});

test('a pruned run continues after a reload, and can still be undone', async ({ page }) => {
  await open(page, '#device=cpu&plan=8+M+16+M&classifier=16');
  await steps(page, 5);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune());
  await page.evaluate(() => /** @type {any} */ (window).crossdub.finetune({ epochs: 1 }));
  await reach(page, 3);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
  const before = await report(page);
  await page.reload();
  await page.getByRole('button', { name: 'Resume it' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(before.training.step);
  const after = await report(page);
  expect(after.stages.map((/** @type {any} */ stage) => stage.kind)).toEqual(['train', 'prune', 'finetune']);
  expect(zeros(after)).toBe(zeros(before));
  await page.getByRole('button', { name: 'Undo pruning' }).click();
  await expect.poll(async () => (await report(page)).training.step).toBe(5);
});
