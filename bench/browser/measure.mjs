/**
 * Measures training steps, the simulation and the page in Chromium:
 *
 *     node bench/browser/measure.mjs [--tensorflow DIR] [--only TEXT]
 *
 * TEXT is part of a contender's name, such as "Crossdub, WebGPU", or "the page". DIR contains TensorFlow.js and jax-js:
 *
 *     npm install --prefix DIR --no-save --no-package-lock \
 *       @tensorflow/tfjs@4.22.0 @tensorflow/tfjs-backend-webgpu@4.22.0 @jax-js/jax@0.1.25
 *
 * Prints one JSON object like `cargo xtask bench --json`; progress goes to standard error. The contenders run in
 * separate pages, one after the other, because each uses all cores.
 */

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { chromium } from '@playwright/test';

import { launchOptions } from '../../tests/page/browser.js';
import { runContender, status } from './contender.mjs';
import { median } from './median.mjs';
import { serve } from './server.mjs';
import { measureFirstStep, measureWorkers } from './site.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CACHE = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const DIST = join(ROOT, 'dist');
const { tensorflow, only: ONLY } = parseArgs({
  options: {
    tensorflow: { type: 'string', default: join(CACHE, 'crossdub', 'bench') },
    only: { type: 'string', default: '' },
  },
}).values;
const PEERS = join(tensorflow, 'node_modules');

/** What the regularizer may cost of a step on WebGPU's software adapter. */
const ALLOWED_PERCENT = 3;
const FAST = { warmUp: 3, maxTurns: 40, seconds: 15 };
const SLOW = { warmUp: 2, maxTurns: 15, seconds: 40 };
/** The batch that all contenders train, and the one that those on WebGPU also do. */
const BATCH = 8;
const LARGE_BATCH = 64;
const TRAINING = 'training step in Chromium, vgg-small, batch';

/** @typedef {import('./site.mjs').Row} Row */
/** @typedef {(title: string, call: [string, ...unknown[]]) => Promise<number[][] | null>} Run */

/**
 * @param {Run} run
 * @returns {Promise<Row[]>}
 */
async function measureTraining(run) {
  const cpu = await run('Crossdub, CPU', ['crossdub', 'cpu', BATCH, ['none'], FAST]);
  const gpu = existsSync(join(ROOT, 'pkg/webgpu/crossdub.js'))
    ? await run('Crossdub, WebGPU', [
        'crossdub',
        'webgpu',
        BATCH,
        ['none', 'gated'],
        { ...SLOW, seconds: 90 },
      ])
    : null;
  const relaxed = existsSync(join(ROOT, 'pkg/cpu-relaxed/crossdub.js'))
    ? await run('Crossdub, relaxed SIMD', ['simd', BATCH, FAST])
    : null;
  const hasTensorflow = existsSync(join(PEERS, '@tensorflow/tfjs'));
  /** @type {[string, number | null][]} */
  const others = [];
  for (const name of ['WebGL', 'WebGPU', 'CPU']) {
    const call = /** @type {[string, ...unknown[]]} */ (['tensorflow', name.toLowerCase(), BATCH, SLOW]);
    const times = hasTensorflow ? await run(`TensorFlow.js, ${name}`, call) : null;
    others.push([`TensorFlow.js ${name}`, times && median(times[0])]);
  }
  const hasJax = existsSync(join(PEERS, '@jax-js/jax'));
  for (const name of ['wasm', 'WebGPU']) {
    const call = /** @type {[string, ...unknown[]]} */ (['jax', name.toLowerCase(), BATCH, SLOW]);
    const times = hasJax ? await run(`jax-js, ${name}`, call) : null;
    others.push([`jax-js ${name}`, times && median(times[0])]);
  }
  /** @type {Row[]} */
  const rows = [];
  if (cpu) {
    const ours_ms = median(cpu[0]);
    for (const [other, other_ms] of others)
      rows.push({ what: `${TRAINING} ${BATCH}, CPU`, ours_ms, other, other_ms });
  }
  if (relaxed) {
    const [ours_ms, other_ms] = relaxed.map(median);
    rows.push({
      what: `${TRAINING} ${BATCH}, relaxed SIMD`,
      ours_ms,
      other: 'Crossdub, plain SIMD',
      other_ms,
    });
  }
  if (gpu) {
    const ours_ms = median(gpu[0]);
    for (const [other, other_ms] of others.filter(([name]) => name.includes('WebGPU')))
      rows.push({ what: `${TRAINING} ${BATCH}, WebGPU`, ours_ms, other, other_ms });
    rows.push(gatedRow(gpu));
  }
  return [...rows, ...(await measureLargeBatch(run))];
}

/**
 * On WebGPU only: the CPU's steps grow with the batch, a graphics processor's need not.
 * @param {Run} run
 * @returns {Promise<Row[]>}
 */
async function measureLargeBatch(run) {
  const gpu = existsSync(join(ROOT, 'pkg/webgpu/crossdub.js'))
    ? await run('Crossdub, WebGPU, large batch', ['crossdub', 'webgpu', LARGE_BATCH, ['none'], SLOW])
    : null;
  if (!gpu) return [];
  const jax = existsSync(join(PEERS, '@jax-js/jax'))
    ? await run('jax-js, WebGPU, large batch', ['jax', 'webgpu', LARGE_BATCH, SLOW])
    : null;
  const row = { what: `${TRAINING} ${LARGE_BATCH}, WebGPU`, ours_ms: median(gpu[0]) };
  return [jax ? { ...row, other: 'jax-js WebGPU', other_ms: median(jax[0]) } : row];
}

/**
 * The cost of the regularizer. The two steps of a pair run within a moment, so other load hardly affects their ratio.
 * @param {number[][]} times without and with the regularizer
 * @returns {Row}
 */
function gatedRow([without, gated]) {
  const overhead = 100 * (median(without.map((time, index) => gated[index] / time)) - 1);
  const sign = overhead < 0 ? '' : '+';
  const note = `the regularizer costs ${sign}${overhead.toFixed(1)} %; ${ALLOWED_PERCENT} % are allowed`;
  return { what: `${TRAINING} ${BATCH}, WebGPU, gated regularizer`, ours_ms: median(gated), note };
}

/**
 * @param {Run} run
 * @returns {Promise<Row[]>}
 */
async function measureSimulation(run) {
  const times = await run('Crossdub, simulation', ['simulation', 5, 4]);
  if (!times) return [];
  const ours_ms = median(times[0]);
  const note = `${(1000 / ours_ms).toFixed(1)} images a second`;
  return [{ what: 'simulation in Chromium, VGG11, tile 64, an image', ours_ms, note }];
}

const server = await serve({
  '/pkg/': join(ROOT, 'pkg'),
  '/tensorflow/': join(PEERS, '@tensorflow'),
  '/jax/': join(PEERS, '@jax-js/jax'),
  '/page/': DIST,
});
const browser = await chromium.launch(launchOptions);
try {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  /** What could not be measured, and why. */
  const missing = /** @type {string[]} */ ([]);
  /** @type {Run} */
  const run = async (title, call) => {
    if (!title.includes(ONLY)) return null;
    status(`measuring: ${title}`);
    try {
      return await runContender(browser, `http://127.0.0.1:${port}/`, call);
    } catch (error) {
      missing.push(`${title}: ${error instanceof Error ? error.message : error}`);
      status(`  ${missing.at(-1)}`);
      return null;
    }
  };
  const measurements = [...(await measureTraining(run)), ...(await measureSimulation(run))];
  if (!existsSync(join(DIST, 'index.html'))) missing.push('the page: dist is not built (npm run build)');
  else if ('the page'.includes(ONLY)) {
    measurements.push(...(await measureFirstStep(browser, DIST)));
    measurements.push(...(await measureWorkers(browser, `http://127.0.0.1:${port}/page/index.html`)));
  }
  process.stdout.write(`${JSON.stringify({ schema_version: 1, measurements, missing })}\n`);
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
