/** Measures the built page itself: its first step over a slow line, and how workers share a batch. */

import { status } from './contender.mjs';
import { median } from './median.mjs';
import { serve } from './server.mjs';

/** 10 Mbit/s, and a round trip of a host that is not far. */
const LINE = { bytesPerSecond: 10e6 / 8, latencyMs: 40 };
const TURNS = 5;
/** How long each number of workers trains in a turn. */
const TRAINING_MS = 4000;

/** @typedef {{ curve: string, at: number }} CurvePoint */
/** @typedef {{ other?: string, other_ms?: number | null, note?: string, point?: CurvePoint }} RowDetails */
/** @typedef {{ what: string, ours_ms: number } & RowDetails} Row */

/** In the page: waits until it is ready, and takes a step. */
async function oneStep() {
  const { crossdub } = /** @type {any} */ (globalThis);
  await crossdub.ready;
  await crossdub.step();
}

/**
 * From the address to the first step's loss, with nothing cached.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} dist the built page
 * @returns {Promise<Row[]>}
 */
export async function measureFirstStep(browser, dist) {
  status('measuring: the first step of a cold page');
  const server = await serve({ '/page/': dist }, LINE);
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const times = [];
  // The first turn compresses the files.
  for (let turn = -1; turn < TURNS; turn += 1) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const before = performance.now();
    await page.goto(`http://127.0.0.1:${port}/page/index.html`, { waitUntil: 'commit' });
    await page.waitForFunction(() => 'crossdub' in globalThis);
    await page.evaluate(oneStep);
    if (turn >= 0) times.push(performance.now() - before);
    status(`  ${(performance.now() - before).toFixed(0)} ms`);
    await context.close();
  }
  server.closeAllConnections();
  server.close();
  const note = `10 Mbit/s, ${LINE.latencyMs} ms a request, compressed; 2500 ms are the aim`;
  return [{ what: 'first training step of a cold page in Chromium', ours_ms: median(times), note }];
}

/**
 * A page that has taken a step with so many workers.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} url of the built page
 * @param {{ workers: number, batch: number }} options
 */
async function openTraining(browser, url, { workers, batch }) {
  const page = await browser.newPage();
  await page.goto(`${url}?workers=${workers}#device=cpu&batch=${batch}&epochs=1000`);
  await page.evaluate(oneStep);
  return page;
}

/**
 * Milliseconds of a step, over some seconds.
 * @param {import('@playwright/test').Page} page
 * @param {number} batch
 */
async function stepMs(page, batch) {
  const speed = await page.evaluate(async (ms) => {
    const { crossdub } = /** @type {any} */ (globalThis);
    await crossdub.start();
    await new Promise((resolve) => setTimeout(resolve, ms));
    await crossdub.pause();
    return (await crossdub.report()).training.images_per_second;
  }, TRAINING_MS);
  return (1000 * batch) / speed;
}

/**
 * Milliseconds of a step by each number of workers, in turn; and of two pages at once that train half a batch each and
 * exchange nothing, which no sharing can beat on the same cores.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} url of the built page
 * @param {{ counts: number[], batch: number }} options
 */
async function stepsByWorkers(browser, url, { counts, batch }) {
  const pages = [];
  for (const workers of counts) pages.push(await openTraining(browser, url, { workers, batch }));
  const half = { workers: 1, batch: batch / 2 };
  const halves = [await openTraining(browser, url, half), await openTraining(browser, url, half)];
  const times = counts.map(() => /** @type {number[]} */ ([]));
  /** @type {number[]} */
  const apart = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    for (const [at, page] of pages.entries()) times[at]?.push(await stepMs(page, batch));
    const both = await Promise.all(halves.map((page) => stepMs(page, half.batch)));
    apart.push(Math.max(...both));
    status(`  ${[...times, apart].map((own) => own.at(-1)?.toFixed(1)).join(', ')} ms`);
  }
  for (const page of [...pages, ...halves]) await page.close();
  return { times: times.map(median), apart: median(apart) };
}

/**
 * One worker and two at a small batch, and up to eight at a large one.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} url of the built page
 * @returns {Promise<Row[]>}
 */
export async function measureWorkers(browser, url) {
  /** @type {Row[]} */
  const rows = [];
  for (const [batch, counts] of /** @type {[number, number[]][]} */ ([
    [8, [1, 2]],
    [64, [1, 2, 4, 8]],
  ])) {
    status(`measuring: workers, batch ${batch}`);
    const { times, apart } = await stepsByWorkers(browser, url, { counts, batch });
    const [alone, ...shared] = times;
    if (!alone) continue;
    const step = `training step in Chromium, the page's default network, batch ${batch}`;
    const inCurve = counts.length > 2;
    if (inCurve)
      rows.push({ what: `${step}, one worker`, ours_ms: alone, point: { curve: 'workers', at: 1 } });
    for (const [at, ours_ms] of shared.entries()) {
      const workers = /** @type {number} */ (counts[at + 1]);
      const row = { what: `${step}, ${workers} workers`, ours_ms, other: 'one worker', other_ms: alone };
      rows.push(inCurve ? { ...row, point: { curve: 'workers', at: workers } } : row);
      if (workers > 2) continue;
      const other = 'two pages that train half of it each, at once, and exchange nothing';
      rows.push({ what: `${step}, 2 workers`, ours_ms, other, other_ms: apart });
    }
  }
  return rows;
}
