/**
 * Runs the first contender of `bench/browser/page.js` for `crossdub prove --browser`, posts what it took, and goes on to the
 * next in a new page: the same work as `cargo xtask bench`, without Node.
 */
import '/bench/page.js';

const query = new URLSearchParams(location.search);
const contenders = (query.get('contenders') ?? '').split(',').filter(Boolean);
// What hangs is left behind after so many seconds.
const patience = Number(query.get('patience') ?? 120);
const limits = { warmUp: 3, maxTurns: 30, seconds: Number(query.get('seconds') ?? 15) };

/** @param {object} result */
async function post(result) {
  await fetch('/result', { method: 'POST', body: JSON.stringify(result) });
}

async function adapter() {
  const found = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  if (!found) return { missing: navigator.gpu ? 'there is no WebGPU adapter' : 'this browser has no WebGPU' };
  const { vendor, architecture, device, description } = found.info ?? {};
  return {
    adapter: [vendor, architecture, device, description].filter(Boolean).join(' '),
    fallback: found.info?.isFallbackAdapter,
  };
}

/** @type {Record<string, () => Promise<number[][]>>} */
const calls = {
  'crossdub-webgpu': () => globalThis.bench.crossdub('webgpu', ['none', 'gated'], limits),
  'crossdub-cpu': () => globalThis.bench.crossdub('cpu', ['none'], limits),
  'tensorflow-webgpu': () => globalThis.bench.tensorflow('webgpu', limits),
  'tensorflow-webgl': () => globalThis.bench.tensorflow('webgl', limits),
  'jax-webgpu': () => globalThis.bench.jax('webgpu', limits),
};

/**
 * @param {Promise<number[][]>} work
 * @returns {Promise<number[][]>}
 */
function bounded(work) {
  const late = new Error(`no result within ${patience} s`);
  return Promise.race([work, new Promise((_, reject) => setTimeout(reject, 1000 * patience, late))]);
}

const found = await adapter().catch((error) => ({ missing: String(error?.message ?? error) }));
if (!query.has('next')) await post({ id: 'adapter', agent: navigator.userAgent, ...found });
const [id, ...next] = contenders;
try {
  if (found.missing && id.endsWith('webgpu')) throw new Error(found.missing);
  await post({ id, times: await bounded(calls[id]()) });
} catch (error) {
  await post({ id, error: String(error?.message ?? error).split('\n')[0] });
}
if (next.length > 0) {
  // A page of its own for each: one that did not end must not disturb the next.
  query.set('contenders', next.join(','));
  query.set('next', '');
  location.replace(`?${query}`);
} else await post({ id: 'end' });
