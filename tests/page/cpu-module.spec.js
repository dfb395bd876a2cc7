/** Which CPU module trains: the one with relaxed SIMD, or the one for every browser. */

import { expect } from '@playwright/test';

import { open, report, test } from './page.js';

const RUN = '?workers=2#plan=8+M+16+M&classifier=16&batch=12&dropout=0.2&seed=3&device=cpu';

/** The CPU modules that a page asks for. @param {import('@playwright/test').Page} page */
function requestedModules(page) {
  /** @type {Set<string>} */
  const names = new Set();
  page.on('request', (request) => {
    const name = /pkg\/(cpu[^/]*)\/crossdub_bg\.wasm$/.exec(new URL(request.url()).pathname)?.[1];
    if (name) names.add(name);
  });
  return names;
}

/** Losses of a new page's first steps. @param {import('@playwright/test').Page} page */
async function losses(page) {
  await page.goto('about:blank');
  await open(page, RUN);
  await page.evaluate(async () => {
    for (let at = 0; at < 4; at += 1) await /** @type {any} */ (window).crossdub.step();
  });
  const { training } = await report(page);
  return training.history.map((/** @type {{ loss: number }} */ { loss }) => loss);
}

test('relaxed SIMD trains where the browser and the site have it, else plain SIMD', async ({ page }) => {
  const names = requestedModules(page);
  const relaxed = await losses(page);
  expect([...names]).toEqual(['cpu-relaxed']);
  names.clear();
  await page.route('**/pkg/cpu-relaxed/*', (route) => route.fulfill({ status: 404 }));
  const plain = await losses(page);
  expect([...names]).toEqual(['cpu']);
  expect(plain).toHaveLength(4);
  // A sum is rounded once instead of twice.
  for (const [at, loss] of plain.entries()) expect(Math.abs(loss - relaxed[at])).toBeLessThan(1e-4);
});

test('both CPU modules pass the self-test alike, within rounding', async ({ page }) => {
  await open(page);
  const results = await page.evaluate(async () => {
    /** @param {string} name */
    const selfTest = async (name) => {
      const address = new URL(`pkg/${name}/crossdub.js`, location.href).href;
      const module = await import(address);
      await module.default();
      return /** @type {number[]} */ ([...(await module.self_test())]);
    };
    return { relaxed: await selfTest('cpu-relaxed'), plain: await selfTest('cpu') };
  });
  const { relaxed, plain } = results;
  expect(relaxed).toHaveLength(plain.length);
  const largest = Math.max(...plain.map(Math.abs));
  const furthest = Math.max(...plain.map((value, at) => Math.abs(value - (relaxed[at] ?? NaN))));
  expect(largest).toBeGreaterThan(0);
  expect(furthest).toBeLessThan(1e-5 * largest);
  // Otherwise the two are one module.
  expect(furthest).toBeGreaterThan(0);
});
