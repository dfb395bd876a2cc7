/** Stock Firefox, driven over WebDriver BiDi, because Playwright drives only its own build. */

import puppeteer from 'puppeteer-core';

/** A name reserved for documentation, which Firefox resolves to this machine. */
export const ELSEWHERE = 'elsewhere.example';

export function launch() {
  return puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.CROSSDUB_FIREFOX ?? '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: { 'network.dns.localDomains': ELSEWHERE },
  });
}

/** @typedef {import('puppeteer-core').Page} Page */

/**
 * A page in a browser context of its own, and its problems so far: exceptions, logged errors, and violations of its
 * Content-Security-Policy.
 * @param {import('puppeteer-core').Browser} browser
 * @returns {Promise<{ page: Page, problems: string[] }>}
 */
export async function newPage(browser) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(`thrown: ${error instanceof Error ? error.message : error}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`logged: ${message.text()}`);
  });
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`Content-Security-Policy: ${event.violatedDirective} blocks ${event.blockedURI}`);
    });
  });
  return { page, problems };
}
