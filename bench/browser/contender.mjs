/** Runs one contender in a fresh page. */

import { fileURLToPath } from 'node:url';

import { median } from './median.mjs';

const SCRIPT = fileURLToPath(new URL('page.js', import.meta.url));

/** A contender that hangs, for example because the GPU process died, is stopped after this. */
const TIMEOUT_SECONDS = 400;

/** @param {string} text */
export function status(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Calls a function of page.js and returns the milliseconds of each contender's steps.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} url
 * @param {[string, ...unknown[]]} call the function and its arguments
 * @returns {Promise<number[][]>}
 * @throws when the contender can't run here
 */
export async function runContender(browser, url, [name, ...args]) {
  const page = await browser.newPage();
  // A broken device logs thousands of errors; the first says what is wrong.
  let firstError = '';
  page.on('console', (message) => {
    if (message.type() === 'info') status(`  ${message.text()}`);
    else if (message.type() === 'error')
      firstError ||= ` (${message.text().split('\n').slice(0, 2).join(' ')})`;
  });
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const timeout = new Promise((_, reject) => {
    const error = new Error(`not finished after ${TIMEOUT_SECONDS} s`);
    timer = setTimeout(() => reject(error), 1000 * TIMEOUT_SECONDS);
  });
  try {
    await page.goto(url);
    await page.addScriptTag({ path: SCRIPT, type: 'module' });
    await page.waitForFunction('globalThis.bench');
    // A wasm module's error is a plain object, whose message would be lost on the way here.
    const run = page.evaluate(
      (call) =>
        globalThis.bench[call.name](...call.args).catch((error) => ({
          message: String(error?.message ?? error),
        })),
      { name, args },
    );
    const result = await Promise.race([run, timeout]);
    if (!Array.isArray(result)) throw new Error(result.message);
    status(
      `  ${result.map((times) => `${median(times).toFixed(1)} ms of ${times.length} steps`).join(', ')}`,
    );
    return result;
  } catch (error) {
    const line = String(error instanceof Error ? error.message : error).split('\n')[0];
    throw new Error(`${line}${firstError}`, { cause: error });
  } finally {
    clearTimeout(timer);
    await page.close().catch(() => undefined);
  }
}
