import { readFile } from 'node:fs/promises';

import { expect } from '@playwright/test';

import { open, report, saved, steps, test } from './page.js';

const runs = (/** @type {import('@playwright/test').Page} */ page) =>
  page.evaluate(() => /** @type {any} */ (window).crossdub.runs.list());
const own = async (/** @type {import('@playwright/test').Page} */ page) =>
  (await runs(page)).filter((/** @type {any} */ run) => run.source !== 'recorded');

test('kept runs survive a reload, and can be drawn, renamed, deleted and cleared', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('button', { name: 'Keep this run' })).toBeDisabled();
  await steps(page, 2);
  await page.getByRole('button', { name: 'Keep this run' }).click();
  await steps(page, 1);
  await page.getByRole('button', { name: 'Keep this run' }).click();
  await expect.poll(async () => (await own(page)).length).toBe(2);
  await page.reload();
  await page.evaluate(() => /** @type {any} */ (window).crossdub.ready);
  const kept = await own(page);
  expect(kept.map((/** @type {any} */ run) => run.report.training.history.length)).toEqual([2, 3]);
  expect(kept[0]).toMatchObject({ source: 'kept', shown: false });

  const name = page.getByLabel(`Name of ${kept[0].name}`);
  await name.fill('the first one');
  await name.press('Enter');
  for (const run of (await runs(page)).filter((/** @type {any} */ each) => each.source === 'recorded'))
    await page.getByLabel(`Draw ${run.name}`).uncheck();
  const drawn = page.getByLabel('Draw the first one');
  await drawn.check();
  await expect(page.locator('#run-legend')).toContainText('the first one');
  await expect(page.locator('#loss svg [stroke-dasharray]')).toHaveCount(1);
  await drawn.uncheck();
  await expect(page.locator('#run-legend')).toBeHidden();

  await page.getByRole('button', { name: 'Delete the first one' }).click();
  await expect.poll(async () => (await own(page)).length).toBe(1);
  await page.getByRole('button', { name: 'Clear all' }).click();
  await expect.poll(async () => (await own(page)).length).toBe(0);
  await page.reload();
  await page.evaluate(() => /** @type {any} */ (window).crossdub.ready);
  expect(await own(page)).toEqual([]);
});

test('a report from a file is drawn, and a bad one gives one error message', async ({ page }) => {
  await open(page);
  await steps(page, 2);
  const given = await report(page);
  await page
    .locator('#file')
    .setInputFiles({ name: 'other.json', mimeType: '', buffer: Buffer.from(JSON.stringify(given)) });
  await expect(page.locator('#run-legend')).toContainText('other');
  expect((await own(page))[0]).toMatchObject({ name: 'other', source: 'file', shown: true });
  const message = page.locator('.message.error');
  const bad = [
    ['{', 'not valid JSON'],
    ['{"spec": 1}', 'not a Crossdub report: field spec'],
    [
      JSON.stringify({ ...given, training: { ...given.training, history: [{ step: 'x' }] } }),
      'training.history',
    ],
  ];
  for (const [text = '', says = ''] of bad) {
    await page.locator('#file').setInputFiles({ name: 'bad.json', mimeType: '', buffer: Buffer.from(text) });
    await expect(message).toContainText('bad.json');
    await expect(message).toContainText(says);
  }
  expect((await own(page)).length).toBe(1);
  expect((await report(page)).training.step).toBe(2);
});

test('published runs are drawn in the background, with failed ones marked', async ({ page }) => {
  await open(page);
  const figure = page.locator('#pareto');
  await expect(figure.locator('.plot svg')).toBeVisible();
  await figure.locator('summary').click();
  const rows = figure.locator('tbody tr').filter({ hasText: '(published)' });
  await expect(rows).toHaveCount(69);
  await expect(rows.filter({ hasText: 'diverged' })).toHaveCount(3);
  await expect(rows.filter({ hasText: 'structured stage only' })).toHaveCount(4);
  for (const key of ['structured stage only', 'diverged to 10 %'])
    await expect(page.locator('#pareto-legend')).toContainText(key);
});

test('every saved file can be read back', async ({ page }) => {
  await open(page);
  await steps(page, 1);
  await page.getByRole('button', { name: 'Keep this run' }).click();
  const text = async (/** @type {() => Promise<void>} */ act) => readFile(await saved(page, act), 'utf8');
  const menu = async (/** @type {string} */ name) => {
    await page.locator('#save-menu > summary').click();
    await page.getByRole('button', { name }).click();
  };
  expect(JSON.parse(await text(() => menu('Report'))).training.step).toBe(1);

  const lines = (await text(() => page.getByRole('button', { name: 'CSV of the runs' }).click())).split(
    '\r\n',
  );
  expect(lines[0]).toContain('improvement lossless');
  const current = lines.find((line) => line.startsWith('this run')) ?? '';
  expect(current.split(',').length).toBe((lines[0] ?? '').split(',').length);

  const tools = page.locator('#loss .tools');
  await tools.locator('summary').click();
  const svg = await text(() => tools.getByRole('button', { name: 'SVG' }).click());
  const parserError = await page.evaluate(
    (source) =>
      new DOMParser().parseFromString(source, 'image/svg+xml').querySelector('parsererror')?.textContent ??
      '',
    svg,
  );
  expect(parserError).toBe('');
  const png = await readFile(await saved(page, () => tools.getByRole('button', { name: 'PNG' }).click()));
  expect([...png.subarray(1, 4)]).toEqual([...Buffer.from('PNG')]);
  const { width, height } = (await page.locator('#loss svg').boundingBox()) ?? { width: 0, height: 0 };
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([Math.ceil(2 * width), Math.ceil(2 * height)]);
});

test('a recorded run is shown until the first step of the current one', async ({ page }) => {
  await open(page);
  const all = (await runs(page)).filter((/** @type {any} */ run) => run.source === 'recorded');
  // Not those on other data.
  const recorded = all.filter((/** @type {any} */ run) => run.report.spec.data === 'builtin');
  expect(recorded.length).toBeGreaterThan(0);
  expect(all.length).toBeGreaterThan(recorded.length);
  expect(recorded.every((/** @type {any} */ run) => run.shown && run.report.stages.length > 1)).toBe(true);
  await expect(page.locator('#run-legend')).toContainText(recorded[0].name);
  // The line of random guessing is dashed, too.
  await expect(page.locator('#accuracy svg [stroke-dasharray]')).toHaveCount(1 + recorded.length);
  await steps(page, 1);
  await expect(page.locator('#run-legend')).toBeHidden();
  await page.getByLabel(`Draw ${recorded[0].name}`).check();
  await steps(page, 1);
  await expect(page.locator('#run-legend')).toContainText(recorded[0].name);
});

test('the published runs’ savings by model are in a table that can be saved', async ({ page }) => {
  await open(page);
  const figure = page.locator('#saves');
  await expect(figure).toContainText('By lossless: S-DUB 7.61× (90.0 %)');
  await figure.locator('summary').click();
  await expect(figure.locator('tbody tr')).toHaveCount(69);
  const text = await readFile(
    await saved(page, () => figure.getByRole('button', { name: 'CSV' }).click()),
    'utf8',
  );
  expect(text.split('\r\n')).toHaveLength(70);
});

/** A recipe's report, as `crossdub run` writes it, with one layer of four tiles. */
function recipeReport(/** @type {any} */ given) {
  const [map] = [
    {
      name: 'features.0.weight',
      across: 2,
      down: 2,
      density: [0.9, 0.5, 0.25, 0],
      imbalance: [0, 1, 2, 0],
      level: [0, 1, 2, 6],
      bits_paper: [5, 4, 3, 0],
      bits_lossless: [6, 5, 4, 0],
      bits_lossless_sliced: [5, 4, 3, 0],
    },
  ];
  const energy = {
    paper: { dense: 20, actual: 12, improvement: 20 / 12 },
    lossless: { dense: 24, actual: 15, improvement: 1.6 },
  };
  const stage = { weights: 4096, zeros: 2000, histogram: [1, 1, 1, 0, 0, 0, 1], images: 100, energy };
  const layer = { ...given.analysis.layers[0], name: map?.name, tiles: 4, inputs: 64, outputs: 64 };
  return {
    ...given,
    maps: [map],
    analysis: {
      ...given.analysis,
      weights: 4096,
      zeros: 2000,
      histogram: stage.histogram,
      energy,
      layers: [layer],
      tiles: 4,
    },
    stages: [
      { ...stage, kind: 'train', accuracy: 80 },
      { ...stage, kind: 'prune', accuracy: 71 },
      { ...stage, kind: 'finetune', accuracy: 78.5 },
    ],
  };
}

test('a recipe’s report is displayed like a run, with maps, levels and stages, while the run waits', async ({
  page,
}) => {
  await open(page);
  await steps(page, 2);
  const given = recipeReport(await report(page));
  await page
    .locator('#file')
    .setInputFiles({ name: 'sweep.json', mimeType: '', buffer: Buffer.from(JSON.stringify(given)) });
  await expect(page.locator('.message')).toContainText('Showing sweep.json');
  await expect(page.locator('#map-list .layer-name')).toHaveText([/^features\.0.*4 tiles/]);
  await expect(page.locator('#map-readout')).toContainText(
    'Pruned: level 2, 3 bits (paper), 4 bits (lossless)',
  );
  await expect(page.locator('#totals')).toContainText('1.67×');
  await expect(page.locator('#totals')).toContainText('78.5 %');
  await expect(page.locator('#stages tbody tr')).toHaveCount(3);
  await expect(page.locator('.tile-plot')).toContainText('A report holds no weights');
  await expect(page.locator('#prune')).toBeHidden();
  const rejected = await page.evaluate(() =>
    /** @type {any} */ (window).crossdub.adcPlan().catch((/** @type {any} */ e) => e.message),
  );
  expect(rejected).toContain('a report holds no weights');
  await expect(page.locator('.message.error')).toContainText('a report holds no weights');
  // A report shows other converters, but another tile size needs weights, so the run is shown again.
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ resolution: 'lossless' }));
  await expect(page.locator('.message').first()).toContainText('Showing sweep.json');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ tile: 64 }));
  await expect(page.locator('.message')).toHaveCount(0);
  expect((await report(page)).training.step).toBe(2);
  await expect(page.locator('#map-list .layer-name')).not.toHaveCount(1);
});
