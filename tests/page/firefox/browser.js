/** Stock Firefox, driven over WebDriver BiDi, as Playwright drives only its own build. */

import puppeteer from 'puppeteer-core';

/** An address reserved for documentation: Firefox is told to find it on this machine. */
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
 * A page that shares nothing with those before it, and the list of everything it did wrong so far: exceptions,
 * logged errors, and violations of its Content-Security-Policy.
 * @param {import('puppeteer-core').Browser} browser
 * @returns {Promise<{ page: Page, wrong: string[] }>}
 */
export async function newPage(browser) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  /** @type {string[]} */
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`thrown: ${error instanceof Error ? error.message : error}`));
  page.on('console', (message) => {
    if (message.type() === 'error') wrong.push(`logged: ${message.text()}`);
  });
  await page.evaluateOnNewDocument(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`Content-Security-Policy: ${event.violatedDirective} blocks ${event.blockedURI}`);
    });
  });
  return { page, wrong };
}
