import { expect } from '@playwright/test';

import { loaded, report, test } from './page.js';

/** A software adapter compiles shaders and trains slowly. */
const SLOW_ADAPTER_MS = 540_000;

test.describe.configure({ timeout: 600_000 });

/** Runs in the worker: its adapter calls itself hardware, and its devices are kept. */
function callHardware() {
  const scope = /** @type {any} */ (globalThis);
  const info = {
    vendor: 'test',
    architecture: '',
    description: 'A test card',
    isFallbackAdapter: false,
  };
  Object.defineProperty(scope.GPUAdapter.prototype, 'info', { get: () => info });
  const original = scope.GPUAdapter.prototype.requestDevice;
  scope.devices = [];
  /** @this {unknown} @param {unknown[]} options */
  scope.GPUAdapter.prototype.requestDevice = async function requestDevice(...options) {
    const device = await original.apply(this, options);
    scope.devices.push(device);
    return device;
  };
}

/**
 * Makes the worker's adapter call itself hardware, so that it is worth waiting for; and keeps the worker's devices, so
 * that one can be destroyed later. As the first lines of its script: an evaluation in the worker may come after its
 * question for an adapter.
 * @param {import('@playwright/test').Page} page
 */
async function withHardware(page) {
  await page.route('**/assets/worker-*.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `(${callHardware})();\n${await response.text()}` });
  });
}

test('a run begins on the CPU, moves to WebGPU as it is, and back when the device is lost', async ({
  page,
}) => {
  await withHardware(page);
  await page.goto('./#plan=8+M+16+M&classifier=16&batch=4&learning_rate=0.001&epochs=1000');
  await loaded(page);
  await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
  const before = await report(page);
  expect(before.training.device).toBe('cpu');
  await expect(page.locator('.message')).toContainText('The run continues on WebGPU (A test card)', {
    timeout: SLOW_ADAPTER_MS,
  });
  const moved = await report(page);
  expect(moved.training.device).toBe('webgpu');
  expect(moved.training.adapter).not.toBe('');
  await expect(page.locator('#status')).toContainText('WebGPU: ');
  // The same run: the step on the CPU is its first.
  expect(moved.training.step).toBe(1);
  expect(moved.training.history[0].loss).toBe(before.training.history[0].loss);
  for (let i = 0; i < 2; i += 1) await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
  expect((await report(page)).training.step).toBe(3);
  for (const { loss } of (await report(page)).training.history) expect(loss).toBeGreaterThan(0);

  await page.evaluate(() => /** @type {any} */ (window).crossdub.start());
  const destroyed = await page.workers()[0]?.evaluate(() => {
    const { devices } = /** @type {any} */ (globalThis);
    for (const device of devices) device.destroy();
    return devices.length;
  });
  expect(destroyed).toBeGreaterThan(0);
  await expect(page.locator('.message').first()).toContainText(
    /WebGPU .* on the CPU, from the last checkpoint/,
    {
      timeout: SLOW_ADAPTER_MS,
    },
  );
  await expect
    .poll(async () => (await report(page)).training.device, { timeout: SLOW_ADAPTER_MS })
    .toBe('cpu');
  // What was trained before the move is still there.
  const { training } = await report(page);
  expect(training.step).toBeGreaterThan(0);
  expect(training.history[0].loss).toBe(before.training.history[0].loss);
});

test('a network trained on WebGPU can be pruned, and its simulation is exact', async ({ page }) => {
  await page.goto('./#device=webgpu&plan=8+M+16+M&classifier=16&tile=16&batch=4');
  const simulation = await page.evaluate(async () => {
    const { crossdub } = /** @type {any} */ (window);
    await crossdub.ready;
    for (let i = 0; i < 2; i += 1) await crossdub.step();
    await crossdub.prune({ rule: 'budget', target: 2 });
    await crossdub.set({ resolution: 'lossless-sliced' });
    return crossdub.prove({ images: 4 });
  });
  const { training } = await report(page);
  expect(training.device).toBe('webgpu');
  expect(simulation).toMatchObject({
    images: 4,
    exact: true,
    mismatched_outputs: 0,
    saturated_conversions: 0,
  });
  expect(simulation.conversions).toBeGreaterThan(0);
  await expect(page.locator('#proof-words')).toContainText('4 images at resolution lossless-sliced');
  await expect(page.locator('#proof-words')).toContainText('Exact: every output integer');
});

test('a run that asks for a GPU only later moves there, too', async ({ page }) => {
  await withHardware(page);
  await page.goto('./#device=cpu&plan=8+M+16+M&classifier=16&batch=4');
  await loaded(page);
  expect((await report(page)).training.device).toBe('cpu');
  await page.evaluate(() => /** @type {any} */ (window).crossdub.set({ device: 'auto' }));
  await expect
    .poll(async () => (await report(page)).training.device, { timeout: SLOW_ADAPTER_MS })
    .toBe('webgpu');
  expect((await report(page)).training.step).toBe(0);
});
