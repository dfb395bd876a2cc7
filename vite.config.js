import { createReadStream, existsSync, statSync } from 'node:fs';
import { copyFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { defineConfig } from 'vite';

const root = import.meta.dirname;
/** Where wasm-bindgen wrote the modules; a test may point elsewhere. */
const modules = path.resolve(root, process.env.CROSSDUB_PKG ?? 'pkg');
const moduleFiles = ['cpu', 'cpu-relaxed', 'webgpu', 'onnx'].flatMap((module) =>
  ['crossdub.js', 'crossdub_bg.wasm'].map((file) => `${module}/${file}`),
);
/** The only files of CROSSDUB_DATA that are offered: never the folder as such. */
const dataFiles = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`).concat('test_batch.bin');

const types = new Map([
  ['.js', 'text/javascript'],
  ['.wasm', 'application/wasm'],
  ['.bin', 'application/octet-stream'],
]);

/**
 * Serves a few named files of a folder, read-only.
 * @param {string} prefix the address they appear under
 * @param {string} folder
 * @param {string[]} names
 * @returns {import('vite').Connect.NextHandleFunction}
 */
function offer(prefix, folder, names) {
  return (request, response, next) => {
    const address = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
    const name = names.find((known) => address === prefix + known);
    if (name === undefined) return next();
    const file = path.join(folder, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile()) {
      response.statusCode = 404;
      return response.end();
    }
    response.setHeader('Content-Type', types.get(path.extname(name)) ?? '');
    response.setHeader('Content-Length', stat.size);
    response.setHeader('Cache-Control', 'no-cache');
    if (request.method === 'HEAD') return response.end();
    createReadStream(file).pipe(response);
  };
}

/**
 * The wasm modules are loaded at run time by address, so that the page builds, and works, while one of
 * them is not there yet. This serves them while developing and copies them into the built site.
 * @returns {import('vite').Plugin}
 */
function wasmModules() {
  return {
    name: 'crossdub-wasm-modules',
    configureServer(server) {
      server.middlewares.use(offer('/pkg/', modules, moduleFiles));
    },
    async writeBundle(options) {
      for (const name of moduleFiles) {
        const from = path.join(modules, name);
        if (!existsSync(from)) {
          this.warn(`pkg/${name} is not built yet: the site goes without it`);
          continue;
        }
        const to = path.join(options.dir ?? '', 'pkg', name);
        await mkdir(path.dirname(to), { recursive: true });
        await copyFile(from, to);
      }
    },
  };
}

/**
 * Keeps the page readable where it is opened as a file: its classic script is copied, and its style sheet is
 * asked for without CORS, which browsers refuse between files.
 * @returns {import('vite').Plugin}
 */
function openedAsFile() {
  const script = 'web/start/not-started.js';
  return {
    name: 'crossdub-opened-as-file',
    async generateBundle() {
      this.emitFile({ type: 'asset', fileName: script, source: await readFile(path.join(root, script)) });
    },
    transformIndexHtml: { order: 'post', handler: (html) => html.replaceAll(' crossorigin ', ' ') },
  };
}

/**
 * With CROSSDUB_DATA=DIR the page finds CIFAR-10's official binary files beside it.
 * @returns {import('vite').Plugin}
 */
function cifar10() {
  const folder = process.env.CROSSDUB_DATA;
  /** @param {{ middlewares: import('vite').Connect.Server }} server */
  const serve = ({ middlewares }) => {
    if (folder) middlewares.use(offer('/data/cifar-10/', path.resolve(folder), dataFiles));
  };
  return { name: 'crossdub-cifar-10', configureServer: serve, configurePreviewServer: serve };
}

export default defineConfig({
  root,
  // Relative addresses: the built site works from any folder of a static host.
  base: './',
  // A missing file is a 404, never the page itself: the page asks for files that may be absent.
  appType: 'mpa',
  publicDir: false,
  build: { target: 'es2022', sourcemap: false },
  worker: { format: 'es' },
  // Named, so that the first visit while developing is not interrupted by finding the worker's.
  optimizeDeps: { include: ['@observablehq/plot', 'comlink', 'idb-keyval'] },
  server: { watch: { ignored: ['**/target/**', '**/pkg/**', '**/crate/**'] } },
  plugins: [wasmModules(), openedAsFile(), cifar10()],
});
