import { defineConfig } from '@playwright/test';

import { launchOptions } from './tests/page/browser.js';

const port = Number(process.env.CROSSDUB_TEST_PORT ?? 4187);
const address = `http://127.0.0.1:${port}/`;

/** The page's tests, in a real browser, against the built site: `npm run build` comes first. */
export default defineConfig({
  testDir: 'tests/page',
  testMatch: '*.spec.js',
  // The WebGPU module is built later than the rest, and slow on a software adapter.
  testIgnore: process.env.CROSSDUB_QUICK === '1' ? ['webgpu.spec.js'] : [],
  // Training is timed by what it does, not by a clock; two cores may be shared with others.
  timeout: 120_000,
  expect: { timeout: 20_000 },
  workers: 1,
  fullyParallel: false,
  reporter: [['list']],
  use: { baseURL: address, launchOptions, viewport: { width: 1440, height: 900 }, trace: 'off' },
  webServer: {
    // Not through npx: the server itself must hear when it is to end.
    command: `node node_modules/vite/bin/vite.js preview --host 127.0.0.1 --port ${port} --strictPort`,
    url: address,
    reuseExistingServer: false,
    timeout: 60_000,
  },
});
