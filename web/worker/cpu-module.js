/** The CPU module: with relaxed SIMD where the browser and the site have it, else with plain SIMD. */

/** @typedef {import('../types/wasm').WasmModule} WasmModule */

/** The smallest module that multiplies and adds with one instruction (f32x4.relaxed_madd). */
const RELAXED = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  // A type: three vectors in, one out.
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7b, 0x7b, 0x7b, 0x01, 0x7b],
  // A function of this type.
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0xfd, 0x85, 0x02, 0x0b],
);

/** The modules to try, the quickest first. */
export function cpuModules() {
  return WebAssembly.validate(RELAXED) ? ['cpu-relaxed', 'cpu'] : ['cpu'];
}

/**
 * Loads a module by its address.
 * @param {string} url
 */
export async function loadCpuModule(url) {
  const module = /** @type {WasmModule} */ (await import(/* @vite-ignore */ url));
  await module.default();
  return module;
}

/**
 * Loads the first module that the site has: `cargo xtask demo` builds only the one that runs everywhere.
 * @param {string} base the page's URL
 */
export async function findCpuModule(base) {
  const urls = cpuModules().map((name) => new URL(`pkg/${name}/crossdub.js`, base).href);
  for (const url of urls.slice(0, -1)) {
    const module = await loadCpuModule(url).catch(() => null);
    if (module) return { url, module };
  }
  const url = /** @type {string} */ (urls.at(-1));
  return { url, module: await loadCpuModule(url) };
}
