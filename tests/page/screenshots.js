/**
 * Screenshots of the built page in a training run: `npm run screenshots [-- FOLDER]`, after `npm run build`.
 */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';

import { chromium } from '@playwright/test';
import { preview } from 'vite';

import { launchOptions } from './browser.js';

const folder = process.argv[2] ?? 'docs/screenshots';
/** Enough steps for the curves to have a shape. */
const STEPS = Number(process.env.CROSSDUB_SCREENSHOT_STEPS ?? 250);

/**
 * @typedef {object} Shot
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {'light' | 'dark'} colorScheme
 * @property {boolean} fullPage
 * @property {boolean} [simulated]
 */

/** @type {Shot[]} */
const SHOTS = [
  { name: 'desktop', width: 1440, height: 900, colorScheme: 'light', fullPage: false },
  { name: 'dark', width: 1440, height: 900, colorScheme: 'dark', fullPage: false },
  { name: 'phone', width: 390, height: 844, colorScheme: 'light', fullPage: true },
  { name: 'story', width: 1440, height: 900, colorScheme: 'light', fullPage: true, simulated: true },
];

const server = await preview({ preview: { port: 0, host: '127.0.0.1' }, logLevel: 'warn' });
const address = server.resolvedUrls?.local[0] ?? '';
await mkdir(folder, { recursive: true });
const browser = await chromium.launch(launchOptions);
const page = await browser.newPage({ deviceScaleFactor: 2 });
await page.goto(`${address}#device=cpu`);
await page.evaluate(async (steps) => {
  const { crossdub } = /** @type {any} */ (window);
  await crossdub.ready;
  const done = new Promise((resolve) => {
    document.addEventListener('crossdub:progress', (event) => {
      if (/** @type {CustomEvent} */ (event).detail.step >= steps) resolve(undefined);
    });
  });
  await crossdub.start();
  await done;
  await crossdub.pause();
}, STEPS);
for (const { name, width, height, colorScheme, fullPage, simulated } of SHOTS) {
  await page.emulateMedia({ colorScheme });
  await page.setViewportSize({ width, height });
  if (simulated) {
    await page.evaluate(async () => {
      const { crossdub } = /** @type {any} */ (window);
      await crossdub.prune();
      await crossdub.inference();
    });
    await page.locator('#prove').click();
    await page.locator('#by-hand').waitFor({ timeout: 120_000 });
  }
  // The charts adapt to size and colors over several frames.
  await page.waitForTimeout(1000);
  const file = path.join(folder, `${name}.png`);
  await page.screenshot({ path: file, fullPage });
  console.log(file);
}
await browser.close();
await server.close();
