/** Failed calls change nothing, and calls describe what is displayed: the run, a checkpoint or a report. */

import { readFileSync } from 'node:fs';

import { expect } from '@playwright/test';

import { loaded, open, reach, report, saved, spec, steps, test } from './page.js';
import { pth } from './pth.js';

const SMALL = '#device=cpu&plan=8+M+16+M&classifier=16&tile=16';
const file = (/** @type {string} */ name, /** @type {Buffer} */ buffer) => ({ name, mimeType: '', buffer });

/**
 * The message and field of the error that a call rejects with.
 * @param {import('./page.js').Page} page @param {string} call @param {unknown[]} given
 */
function rejection(page, call, ...given) {
  return page.evaluate(
    ([name, values]) =>
      /** @type {any} */ (window).crossdub[/** @type {string} */ (name)](
        .../** @type {any[]} */ (values),
      ).then(
        () => null,
        (/** @type {any} */ e) => [e.name, e.message, e.field],
      ),
    [call, given],
  );
}

test('a target out of reach is rejected, the slider returns, and training continues', async ({ page }) => {
  await open(page, SMALL);
  await page.getByRole('radio', { name: 'Budget' }).check({ force: true });
  await expect(page.locator('#strength-value')).toHaveText('3.00×');
  await expect.poll(() => page.url()).toContain('rule=budget');
  await expect(page.locator('#totals .paper b')).toHaveText(/^3\.\d\d×$/);
  const totals = await page.locator('#totals').innerText();
  await page.getByRole('slider').press('End');
  await expect(page.locator('.message.error')).toContainText(/invalid target \(16\.22\): can't be met: /);
  await expect(page.locator('#strength-value')).toHaveText('3.00×');
  await expect(page.locator('#totals')).toHaveText(totals, { useInnerText: true });
  expect(page.url()).not.toContain('target');
  // Together with a hardware setting, the whole call is rejected.
  expect(await rejection(page, 'set', { target: 90, tile: 32 })).toMatchObject([
    'CrossdubError',
    expect.stringContaining('target'),
    'target',
  ]);
  expect(await rejection(page, 'set', { target: 90, seed: 5 })).toMatchObject([
    'CrossdubError',
    expect.stringContaining('target'),
    'target',
  ]);
  expect(await spec(page)).toMatchObject({ tile: 16, seed: 0 });
  await page.getByRole('button', { name: 'Start' }).click();
  await reach(page, 5);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.locator('#totals .paper b')).toHaveText(/^[3-9]\.\d\d×$/);
});

test('a URL with a target out of reach shows another pruning, with a message', async ({ page }) => {
  await open(page, `${SMALL}&rule=budget&target=50`);
  await expect(page.locator('.message')).toContainText(
    'What is shown is pruned by the exact rule at strength 90 % instead.',
  );
  await expect(page.locator('#map-list canvas')).toHaveCount(2);
  await expect(page.locator('#totals .paper b')).toHaveText(/×$/);
  await expect(page.getByRole('radio', { name: 'Exact' })).toBeChecked();
  await expect.poll(() => page.url()).not.toContain('target');
  await steps(page, 2);
  expect((await report(page)).training.step).toBe(2);
});

test('after undoing, the network can be pruned again, and the status shows the step', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 3);
  await page.getByRole('button', { name: 'Prune', exact: true }).click();
  await expect(page.locator('#status')).toContainText('Pruned.');
  await page.getByRole('button', { name: 'Undo pruning' }).click();
  await expect(page.locator('#status')).toContainText(/step 3 of \d+/);
  await expect(page.locator('#status')).toContainText('Paused.');
  await expect(page.getByRole('button', { name: 'Prune', exact: true })).toBeEnabled();
});

test('a resumed run shows its progress before it continues', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 3);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune());
  await page.evaluate(() => /** @type {any} */ (window).crossdub.finetune({ epochs: 1 }));
  await reach(page, 2);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
  const { step } = (await report(page)).training;
  await page.reload();
  await page.getByRole('button', { name: 'Resume it' }).click();
  await expect(page.locator('#status')).toContainText(new RegExp(`fine-tuning step ${step - 3} of \\d+`));
});

test('a rejected call does not pause training', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 2);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prune());
  await page.evaluate(() => /** @type {any} */ (window).crossdub.finetune({ epochs: 50 }));
  expect(await rejection(page, 'prune')).toMatchObject([
    'CrossdubError',
    'pruning: the network is pruned already: undo that first',
    undefined,
  ]);
  expect(await rejection(page, 'finetune', { nope: 1 })).toMatchObject([
    'CrossdubError',
    expect.any(String),
    'nope',
  ]);
  expect(await rejection(page, 'set', { model: 'vgg16', batch: 4096 })).toMatchObject([
    'CrossdubError',
    expect.stringContaining('MiB'),
    'plan',
  ]);
  await expect(page.getByRole('button', { name: 'Pause' })).toBeVisible();
  const before = (await report(page)).training.step;
  await expect.poll(async () => (await report(page)).training.step).toBeGreaterThan(before);
});

test('all invalid arguments are rejected in the same way', async ({ page }) => {
  await open(page, SMALL);
  const errors = () => page.evaluate(() => /** @type {any} */ (window).errors);
  await page.evaluate(() => {
    /** @type {any} */ (window).errors = 0;
    document.addEventListener('crossdub:error', () => {
      /** @type {any} */ (window).errors += 1;
    });
  });
  const before = await spec(page);
  const calls = /** @type {[string, ...unknown[]][]} */ ([
    ['set', null],
    ['set', 5],
    ['set', [1]],
    ['set', { adc: 'zzz' }],
    ['set', { lambda: NaN }],
    ['set', { batch: 'many' }],
    ['load'],
    ['load', 3],
    ['column'],
    ['prove', null],
    ['finetune', 'x'],
    ['prune', null],
  ]);
  for (const [call, ...given] of calls) {
    const error = await rejection(page, call, ...given);
    expect(error?.[0], `${call} ${given}`).toBe('CrossdubError');
    expect(error?.[1], `${call} ${given}`).not.toMatch(/usize|u64|f64|undefined \(reading|null \(/);
  }
  expect(await errors()).toBe(calls.length);
  expect(await spec(page)).toEqual(before);
  // Not from the page itself, which would correct the URL, perhaps before it is loaded again.
  await page.goto('about:blank');
  await page.goto('./#device=cpu&adc=zzz&seed=9007199254740993');
  await loaded(page);
  await expect(page.locator('.message.error')).toContainText('adc=zzz');
  await expect(page.locator('.message.error')).toContainText('seed=9007199254740993');
  expect(page.url()).not.toContain('adc');
});

test('the Back button keeps the run if its settings are the same', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 2);
  await page.evaluate(() => (location.hash += '&adc=isaac'));
  await expect(page.locator('#adc')).toHaveValue('isaac');
  expect((await report(page)).training.step).toBe(2);
  await page.evaluate((hash) => (location.hash = `${hash.replace('tile=16', 'tile=8')}&strength=50`), SMALL);
  await expect.poll(async () => (await spec(page)).tile).toBe(8);
  await expect(page.locator('#strength-value')).toHaveText('50 %');
  expect((await report(page)).training.step).toBe(2);
  await page.evaluate((hash) => (location.hash = `${hash}&seed=9`), SMALL);
  await expect.poll(async () => (await spec(page)).seed).toBe(9);
  expect((await report(page)).training.step).toBe(0);
});

test('the page still works after a network that is too large', async ({ page }) => {
  await page.goto('./#device=cpu&model=vgg16&batch=4096');
  await loaded(page);
  await expect(page.locator('.message.error')).toContainText(/needs about \d+ MiB/);
  await expect(page.getByRole('button', { name: 'Start' })).toBeEnabled();
  await expect(page.locator('#map-list canvas').first()).toBeVisible();
});

test('missing data is not selected', async ({ page }) => {
  await open(page, SMALL);
  await page.locator('select[name=data]').selectOption('cifar10');
  await expect(page.locator('.message.error')).toContainText('CIFAR-10');
  await expect(page.locator('select[name=data]')).toHaveValue('builtin');
  // An invalid number stays in its field; an error elsewhere marks no valid field.
  await page.getByLabel('Regularization λ').fill('-1');
  await page.getByLabel('Regularization λ').press('Enter');
  await expect(page.getByLabel('Regularization λ')).toHaveAttribute('aria-invalid', 'true');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ batch: 0 }).catch(() => undefined));
  await page.locator('#more').click();
  await expect(page.getByLabel('Batch', { exact: true })).not.toHaveAttribute('aria-invalid', 'true');
});

const CHECKPOINT = [
  { name: 'features.0.weight', shape: [32, 3, 3, 3] },
  { name: 'classifier.1.weight', shape: [100, 32] },
];

test('while a checkpoint is shown, the report and saved files describe it, and it can’t be simulated', async ({
  page,
}) => {
  await open(page, SMALL);
  await steps(page, 2);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.prove({ images: 1 }));
  await expect(page.locator('#proof')).toBeVisible();
  await page.locator('#file').setInputFiles(file('someone.pth', pth(CHECKPOINT)));
  const message = page.locator('.message');
  await expect(message).toContainText('Showing someone.pth');
  // The message can't be closed while the checkpoint is shown.
  await expect(message.getByRole('button', { name: /^Close/ })).toHaveCount(0);
  await expect(page.locator('#proof')).toBeHidden();
  await expect(page.locator('#saturated-mode')).toBeHidden();
  await expect(page.locator('#prove-why')).toBeVisible();
  const shown = await report(page);
  expect(shown).toMatchObject({ checkpoint: 'someone.pth', training: { step: 2 }, hardware: { tile: 16 } });
  expect(shown.analysis.layers.map((/** @type {any} */ layer) => layer.name)).toEqual(['features.0.weight']);
  await page.getByText('Save', { exact: true }).click();
  const analysis = JSON.parse(
    readFileSync(await saved(page, () => page.locator('#save-report').click()), 'utf8'),
  );
  expect(analysis).toEqual(shown.analysis);
  expect(await rejection(page, 'prove', { images: 1 })).toMatchObject([
    'CrossdubError',
    expect.stringContaining('crossdub simulate'),
    undefined,
  ]);
  // Keeps the run, not the checkpoint.
  const id = await page.evaluate(() => /** @type {any} */ (window).crossdub.runs.keep('mine'));
  const kept = await page.evaluate(
    (wanted) =>
      /** @type {any} */ (window).crossdub.runs.list().find((/** @type {any} */ run) => run.id === wanted)
        .report,
    id,
  );
  expect(kept.analysis.layers).toHaveLength(2);
  expect(await rejection(page, 'undo')).toMatchObject([
    'CrossdubError',
    'undoing: nothing is pruned',
    undefined,
  ]);
  await expect(message.filter({ hasText: 'Showing someone.pth' })).toBeVisible();
  await message.getByRole('button', { name: 'Back to the run' }).click();
  expect((await report(page)).checkpoint).toBeUndefined();
});

test('layers can be left out only if others remain, and hostile names are shown as text', async ({
  page,
}) => {
  await open(page, SMALL);
  const message = page.locator('.message');
  await page.locator('#file').setInputFiles(file('only.pth', pth(CHECKPOINT.slice(0, 1))));
  await expect(message.getByRole('button')).toHaveText(['Back to the run']);
  await page.locator('#file').setInputFiles(file('linear.pth', pth(CHECKPOINT.slice(1))));
  await expect(message).toContainText('Showing linear.pth with its fully connected layers');
  await expect(message.getByRole('button')).toHaveText(['Back to the run']);
  const names = ['a'.repeat(400), '\u202etthgiew.1', '<img src=x onerror=alert(1)>'];
  await page
    .locator('#file')
    .setInputFiles(file('names.pth', pth(names.map((name) => ({ name, shape: [8, 8, 3, 3] })))));
  await expect(message).toContainText('Showing names.pth');
  const shown = page.locator('#map-list .layer-name b');
  await expect(shown).toHaveText([/^a+…a+$/, '\\u{202e}tthgiew.1', '<img src=x onerror=alert(1)>']);
  await page.setViewportSize({ width: 360, height: 800 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
});

test('a column outside the tile is rejected, and the previous one stays', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 2);
  await page.locator('#prove-images').fill('1');
  await page.getByRole('button', { name: 'Simulate' }).click();
  await expect(page.locator('#by-hand-title')).toContainText('column 0');
  await page.locator('#column').fill('99');
  await page.locator('#column').press('Enter');
  await expect(page.locator('.message.error')).toContainText('99');
  await expect(page.locator('#column')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.locator('#by-hand-title')).toContainText('column 0');
  await page.locator('#column').fill('2');
  await page.locator('#column').press('Enter');
  await expect(page.locator('#by-hand-title')).toContainText('column 2');
});

test('an edited report is rejected, and a recipe’s report keeps its name', async ({ page }) => {
  await open(page, SMALL);
  await steps(page, 1);
  const good = await report(page);
  const bad = [
    { training: { ...good.training, accuracy: 1e9 } },
    { analysis: { ...good.analysis, energy: { ...good.analysis.energy, paper: { improvement: -5 } } } },
    { maps: [{ name: 'x', across: 2, down: 1, level: [1] }] },
  ];
  for (const change of bad) {
    await page
      .locator('#file')
      .setInputFiles(file('edited.json', Buffer.from(JSON.stringify({ ...good, ...change }))));
    await expect(page.locator('.message.error')).toContainText('edited.json');
    await page.locator('.message.error').getByRole('button').click();
  }
  await page
    .locator('#file')
    .setInputFiles(file('report.json', Buffer.from(JSON.stringify({ ...good, name: 'my recipe' }))));
  await expect(page.locator('#run-list input.name')).toHaveValue('my recipe');
});
