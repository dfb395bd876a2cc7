/**
 * Measures training steps and the simulation in Chromium:
 *
 *     node bench/browser/run.mjs [--tensorflow FOLDER] [--only TEXT]
 *
 * TEXT is part of a contender's name, such as "Crossdub, WebGPU". FOLDER holds TensorFlow.js:
 *
 *     npm install --prefix FOLDER --no-save --no-package-lock \
 *       @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-webgpu@4.22.0
 *
 * Prints one JSON object like `crossdub bench --json`. Notes go to standard error. Every contender gets a
 * page of its own, one after the other, because each would take all cores.
 */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { chromium } from '@playwright/test';

import { launchOptions } from '../../tests/page/browser.js';
import { serve } from './server.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const { tensorflow: TENSORFLOW, only: ONLY } = parseArgs({
  options: {
    tensorflow: { type: 'string', default: join(CACHE, 'crossdub', 'bench') },
    only: { type: 'string', default: '' },
  },
}).values;

/** What the regularizer may cost of a step on WebGPU's software adapter. */
const ALLOWED_PERCENT = 20;
/** Whatever hangs (a GPU process that died, say) is given up after this. */
const GIVE_UP_SECONDS = 400;
const FAST = { warmUp: 3, most: 40, seconds: 15 };
const SLOW = { warmUp: 2, most: 15, seconds: 40 };

/** What could not be measured, and why. */
const missing = /** @type {string[]} */ ([]);

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Runs one contender in a fresh page; its steps' times, or null when it can't run here.
 * @param {import('@playwright/test').Browser} browser
 * @param {string} address
 * @param {string} title
 * @param {[string, ...unknown[]]} call a function of page.js and its arguments
 * @returns {Promise<number[][] | null>}
 */
async function measure(browser, address, title, [name, ...args]) {
  if (!title.includes(ONLY)) return null;
  say(`measuring: ${title}`);
  const page = await browser.newPage();
  // A broken device complains thousands of times; its first words say what is wrong.
  let complaint = '';
  page.on('console', (message) => {
    if (message.type() === 'info') say(`  ${message.text()}`);
    else if (message.type() === 'error')
      complaint ||= ` (${message.text().split('\n').slice(0, 2).join(' ')})`;
  });
  /** @type {NodeJS.Timeout | undefined} */
  let alarm;
  const late = new Promise((_, reject) => {
    alarm = setTimeout(
      () => reject(new Error(`not done after ${GIVE_UP_SECONDS} s`)),
      1000 * GIVE_UP_SECONDS,
    );
  });
  try {
    await page.goto(address);
    await page.addScriptTag({ path: join(ROOT, 'bench/browser/page.js'), type: 'module' });
    await page.waitForFunction('globalThis.bench');
    // A module's failure is a plain object, which would arrive here without its message.
    const run = page.evaluate(
      ([bench, values]) =>
        globalThis.bench[bench](...values).catch((why) => ({ why: String(why?.message ?? why) })),
      [name, args],
    );
    const result = await Promise.race([run, late]);
    if (!Array.isArray(result)) throw new Error(result.why);
    say(`  ${result.map((times) => `${median(times).toFixed(1)} ms of ${times.length} steps`).join(', ')}`);
    return result;
  } catch (why) {
    const line = String(why instanceof Error ? why.message : why).split('\n')[0];
    missing.push(`${title}: ${line}${complaint}`);
    say(`  ${missing.at(-1)}`);
    return null;
  } finally {
    clearTimeout(alarm);
    await page.close().catch(() => undefined);
  }
}

/** @param {(title: string, call: [string, ...unknown[]]) => Promise<number[][] | null>} measured */
async function rows(measured) {
  const what = 'training step in Chromium, vgg-small, batch 8';
  const cpu = await measured('Crossdub, CPU', ['crossdub', 'cpu', ['none'], FAST]);
  const gpu = existsSync(join(ROOT, 'pkg/webgpu/crossdub.js'))
    ? await measured('Crossdub, WebGPU', ['crossdub', 'webgpu', ['none', 'gated'], { ...SLOW, seconds: 90 }])
    : null;
  /** @type {[string, string, number | null][]} */
  const others = [];
  for (const [name, backend] of [
    ['WebGL', 'webgl'],
    ['WebGPU', 'webgpu'],
    ['CPU', 'cpu'],
  ]) {
    const there = existsSync(join(TENSORFLOW, 'node_modules/@tensorflow/tfjs'));
    const times = there ? await measured(`TensorFlow.js, ${name}`, ['tensorflow', backend, SLOW]) : null;
    others.push([`TensorFlow.js ${name}`, backend, times && median(times[0])]);
  }
  const list = [];
  if (cpu) {
    const ours = median(cpu[0]);
    for (const [other, , other_ms] of others)
      list.push({ what: `${what}, CPU`, ours_ms: ours, other, other_ms });
  }
  if (gpu) {
    const [without, with_] = gpu;
    const [other, , other_ms] = others.find(([, backend]) => backend === 'webgpu');
    list.push({ what: `${what}, WebGPU`, ours_ms: median(without), other, other_ms });
    // Each pair ran within a moment: its ratio does not feel what else the machine does.
    const overhead = 100 * (median(without.map((time, index) => with_[index] / time)) - 1);
    const sign = overhead < 0 ? '' : '+';
    const note = `the regularizer costs ${sign}${overhead.toFixed(1)} %; ${ALLOWED_PERCENT} % are allowed`;
    list.push({ what: `${what}, WebGPU, gated regularizer`, ours_ms: median(with_), note });
  }
  const simulated = await measured('Crossdub, simulation', ['simulation', 5, 4]);
  if (simulated) {
    const ours = median(simulated[0]);
    list.push({
      what: 'simulation in Chromium, VGG11, tile 64, an image',
      ours_ms: ours,
      note: `${(1000 / ours).toFixed(1)} images a second`,
    });
  }
  return list;
}

const server = await serve({
  '/pkg/': join(ROOT, 'pkg'),
  '/tensorflow/': join(TENSORFLOW, 'node_modules/@tensorflow'),
});
const browser = await chromium.launch(launchOptions);
try {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const address = `http://127.0.0.1:${port}/`;
  const measurements = await rows((title, call) => measure(browser, address, title, call));
  process.stdout.write(`${JSON.stringify({ schema_version: 1, measurements, missing })}\n`);
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
