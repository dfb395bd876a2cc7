/** The page's tests in Firefox. Each gets a page of its own and the server's address. */

import assert from 'node:assert/strict';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

import { ELSEWHERE } from './browser.js';

/** @typedef {import('./browser.js').Page} Page */
/** @typedef {{ page: Page, address: string }} Context */

/** A network that trains quickly. */
const SMALL = '#device=cpu&plan=8+M+16+M&classifier=16';

/**
 * @param {Page} page
 * @param {string} address
 */
async function open(page, address) {
  await page.goto(address);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.ready);
  await page.waitForSelector('#run:not(:disabled)');
}

/** @param {Page} page @param {string} selector */
const text = (page, selector) =>
  page.$eval(selector, (node) => /** @type {HTMLElement} */ (node).innerText.replace(/\s+/g, ' ').trim());

/**
 * Waits until a condition holds in the page. Puppeteer's own function evaluates text, which the page's policy forbids.
 * @param {Page} page @param {() => boolean} holds
 */
async function until(page, holds) {
  const deadline = Date.now() + 60_000;
  while (!(await page.evaluate(holds))) {
    if (Date.now() > deadline) throw new Error(`not true after a minute: ${holds}`);
    await setTimeout(100);
  }
}

/** @param {Page} page @returns {Promise<any>} */
const report = (page) => page.evaluate(() => /** @type {any} */ (window).crossdub.report());

/**
 * Some steps, one after the other.
 * @param {Page} page @param {number} count
 */
async function train(page, count) {
  await page.evaluate(async (steps) => {
    for (let i = 0; i < steps; i += 1) await /** @type {any} */ (window).crossdub.step();
  }, count);
}

/** @param {{ loss: number }[]} entries */
const meanLoss = (entries) => entries.reduce((sum, { loss }) => sum + loss, 0) / entries.length;

/** @type {{ name: string, run: (context: Context) => Promise<void> }[]} */
export const TESTS = [
  {
    name: 'the page opens with maps and charts, ready to train',
    async run({ page, address }) {
      await open(page, address);
      assert.match(await page.title(), /^Crossdub/);
      assert.match(await text(page, '#status'), /CPU/);
      await page.waitForSelector('#map-list canvas');
      await page.waitForSelector('#pareto svg');
    },
  },
  {
    name: 'training on the CPU lowers the loss',
    async run({ page, address }) {
      await open(page, address + SMALL);
      await page.click('#run');
      await until(page, () => /step\s+[4-9]\d\b/.test(document.querySelector('#status')?.textContent ?? ''));
      await page.click('#run');
      const { history } = (await report(page)).training;
      assert.ok(history.length >= 40, `${history.length} steps`);
      const [first, last] = [meanLoss(history.slice(0, 5)), meanLoss(history.slice(-5))];
      assert.ok(last < first, `the loss went from ${first} to ${last}`);
      await page.waitForSelector('#loss svg');
    },
  },
  {
    name: 'pruning zeroes weights, and fine-tuning keeps them zero',
    async run({ page, address }) {
      await open(page, address + SMALL);
      await train(page, 20);
      const { zeros } = (await report(page)).analysis;
      await page.waitForSelector('#prune:not(:disabled)');
      await page.click('#prune');
      await until(page, () => document.querySelectorAll('#stages tbody tr').length === 2);
      const pruned = await report(page);
      assert.ok(pruned.analysis.zeros > zeros, `${pruned.analysis.zeros} zeros after ${zeros}`);
      await page.click('#finetune');
      await until(page, () => /fine-tuning step/.test(document.querySelector('#status')?.textContent ?? ''));
      await page.evaluate(() => /** @type {any} */ (window).crossdub.pause());
      const tuned = await report(page);
      assert.ok(tuned.training.history.length > pruned.training.history.length);
      assert.equal(tuned.analysis.zeros, pruned.analysis.zeros);
    },
  },
  {
    name: 'a checkpoint is displayed in place of the run until the user returns',
    async run({ page, address }) {
      await open(page, address + SMALL);
      await train(page, 1);
      await page.evaluate(async () => {
        const { crossdub } = /** @type {any} */ (window);
        await crossdub.load(new File([await crossdub.weights()], 'weights.safetensors'));
      });
      assert.match(await text(page, '.message'), /^Showing weights\.safetensors/);
      assert.equal((await page.$$('#map-list .layer-name')).length, 2);
      await page.click('.message button::-p-text(Back to the run)');
      await until(page, () => !document.querySelector('.message'));
      assert.equal((await report(page)).training.step, 1);
    },
  },
  {
    name: 'opened as a file, the page says that it needs a web server',
    async run({ page }) {
      await page.goto(pathToFileURL(path.resolve('dist/index.html')).href);
      await page.waitForSelector('.not-started');
      assert.match(await text(page, '.not-started[role=alert]'), /^This page needs a web server/);
    },
  },
  {
    name: 'over plain http from another machine it trains on the CPU',
    async run({ page, address }) {
      await open(page, address.replace('127.0.0.1', ELSEWHERE) + SMALL.replace('cpu', 'auto'));
      assert.equal(await page.evaluate(() => isSecureContext), false);
      assert.match(await text(page, '.message'), /^WebGPU needs https or localhost/);
      await train(page, 1);
      assert.match(await text(page, '#status'), /CPU/);
    },
  },
];
