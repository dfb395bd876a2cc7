/**
 * The page in stock Firefox, on the CPU: `npm run test:firefox [-- TEXT]`, after `npm run build`. TEXT is part of
 * the names of the tests to run; CROSSDUB_FIREFOX names the browser.
 */

import { preview } from 'vite';

import { launch, newPage } from './browser.js';
import { TESTS } from './tests.js';

const LIMIT_SECONDS = 120;

/**
 * @param {import('puppeteer-core').Browser} browser
 * @param {string} address
 * @param {typeof TESTS[number]} test
 */
async function attempt(browser, address, test) {
  const { page, problems } = await newPage(browser);
  /** @type {NodeJS.Timeout | undefined} */
  let alarm;
  const timeout = new Promise((_, reject) => {
    alarm = setTimeout(
      () => reject(new Error(`not finished after ${LIMIT_SECONDS} s`)),
      1000 * LIMIT_SECONDS,
    );
  });
  try {
    await Promise.race([test.run({ page, address }), timeout]);
    if (problems.length > 0) throw new Error(problems.join('\n'));
  } finally {
    clearTimeout(alarm);
    await page
      .browserContext()
      .close()
      .catch(() => undefined);
  }
}

const wanted = TESTS.filter(({ name }) => name.includes(process.argv[2] ?? ''));
const server = await preview({
  preview: { port: 0, host: '127.0.0.1', allowedHosts: true },
  logLevel: 'warn',
});
const address = server.resolvedUrls?.local[0] ?? '';
const browser = await launch();
console.log(`Running ${wanted.length} tests in ${await browser.version()}`);
let failed = 0;
for (const test of wanted) {
  const began = performance.now();
  const error = await attempt(browser, address, test).then(
    () => null,
    (thrown) => thrown,
  );
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`  ${error ? '✘' : '✓'}  ${test.name} (${seconds}s)`);
  if (!error) continue;
  failed += 1;
  console.log(String(error instanceof Error ? error.message : error).replace(/^/gm, '       '));
}
await browser.close();
await server.close();
console.log(`${wanted.length - failed} passed, ${failed} failed`);
process.exitCode = failed > 0 || wanted.length === 0 ? 1 : 0;
