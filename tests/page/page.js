/** Drives the page like an embedder, through `window.crossdub`, and like a person, through its controls. */

import { expect, test as base } from '@playwright/test';

/** `expectedErrors`: logged errors that don't fail the test. @typedef {{ expectedErrors: RegExp | null }} Options */

/**
 * A test fails if the page throws, logs an error, or requests anything from another host.
 * @type {import('@playwright/test').TestType<
 *   import('@playwright/test').PlaywrightTestArgs &
 *     import('@playwright/test').PlaywrightTestOptions &
 *     Options,
 *   import('@playwright/test').PlaywrightWorkerArgs & import('@playwright/test').PlaywrightWorkerOptions
 * >}
 */
export const test = base.extend({
  expectedErrors: [/** @type {RegExp | null} */ (null), { option: true }],
  page: async ({ page, baseURL, expectedErrors }, use) => {
    /** @type {string[]} */
    const problems = [];
    const own = new URL(baseURL ?? '').host;
    page.on('pageerror', (error) => problems.push(`thrown: ${error.message}`));
    page.on('console', (message) => {
      // The page looks for optional files, and the browser logs each one that is missing.
      const missing = /Failed to load resource.*404/.test(message.text());
      const expected = missing || expectedErrors?.test(message.text());
      if (message.type() === 'error' && !expected) problems.push(`logged: ${message.text()}`);
    });
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol.startsWith('http') && host !== own)
        problems.push(`requested from another host: ${request.url()}`);
    });
    await use(page);
    expect(problems).toEqual([]);
  },
});

/** @typedef {import('@playwright/test').Page} Page */

/**
 * @param {Page} page
 * @param {string} [address] query and hash
 */
export async function open(page, address = '#device=cpu') {
  await page.goto(`./${address}`);
  await loaded(page);
  await expect(page.getByRole('button', { name: 'Start' })).toBeEnabled();
}

/**
 * Waits until the page is loaded, by asking again and again: Chromium's debugger holds a pending promise only
 * weakly, and sometimes drops it (“Resulting promise was garbage collected”).
 * @param {Page} page
 */
export async function loaded(page) {
  await expect
    .poll(() =>
      page.evaluate(() => {
        try {
          return !!(/** @type {any} */ (window).crossdub.spec());
        } catch {
          return false;
        }
      }),
    )
    .toBe(true);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.ready);
}

/** @param {Page} page @returns {Promise<any>} */
export function report(page) {
  return page.evaluate(() => /** @type {any} */ (window).crossdub.report());
}

/** @param {Page} page @returns {Promise<any>} */
export function spec(page) {
  return page.evaluate(() => /** @type {any} */ (window).crossdub.spec());
}

/** Runs `count` steps, one after the other. @param {Page} page @param {number} count */
export function steps(page, count) {
  return page.evaluate(async (times) => {
    for (let i = 0; i < times; i += 1) await /** @type {any} */ (window).crossdub.step();
  }, count);
}

/** The path of the file that `act` saves. @param {Page} page @param {() => Promise<void>} act */
export async function saved(page, act) {
  const [download] = await Promise.all([page.waitForEvent('download'), act()]);
  return download.path();
}

/**
 * Resolves once the run has reached this step.
 * @param {Page} page
 * @param {number} step
 */
export async function reach(page, step) {
  const now = async () => Number((await page.locator('#status').innerText()).match(/step\s+(\d+)/)?.[1] ?? 0);
  await expect.poll(now, { timeout: 110_000, intervals: [200] }).toBeGreaterThanOrEqual(step);
}

/**
 * A hash of a canvas or drawing, to see whether it changed.
 * @param {Page} page
 * @param {string} selector
 */
export function picture(page, selector) {
  return page.evaluate(async (wanted) => {
    const node = document.querySelector(wanted);
    const whole = node instanceof HTMLCanvasElement ? node.toDataURL() : (node?.outerHTML ?? '');
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(whole));
    return [...new Uint8Array(hash)].slice(0, 8).join('.');
  }, selector);
}

/**
 * Drops files on the page.
 * @param {Page} page
 * @param {{ name: string, bytes: number[] }[]} files
 */
export function drop(page, files) {
  return page.evaluate((given) => {
    const transfer = new DataTransfer();
    for (const { name, bytes } of given) transfer.items.add(new File([new Uint8Array(bytes)], name));
    for (const type of ['dragover', 'drop']) {
      document.body.dispatchEvent(
        new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }),
      );
    }
  }, files);
}
