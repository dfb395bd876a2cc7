/** The page over plain http from another machine: without a secure context, browsers do not offer WebGPU. */

import { expect } from '@playwright/test';

import { launchOptions } from './browser.js';
import { open, steps, test } from './page.js';

// An address reserved for documentation, mapped to this machine.
const elsewhere = '192.0.2.7';
const rule = `--host-resolver-rules=MAP ${elsewhere} 127.0.0.1`;
test.use({
  baseURL: async ({ baseURL }, use) => use((baseURL ?? '').replace('127.0.0.1', elsewhere)),
  launchOptions: { ...launchOptions, args: [...launchOptions.args, rule] },
});

for (const device of ['auto', 'webgpu']) {
  test(`device ${device} trains on the CPU, with a message about WebGPU`, async ({ page }) => {
    await open(page, `#plan=8+M+16+M&classifier=16&device=${device}`);
    expect(await page.evaluate(() => isSecureContext)).toBe(false);
    await expect(page.locator('.message')).toHaveText(/WebGPU.* needs https or localhost.*CPU/);
    await steps(page, 2);
    await expect(page.locator('#status')).toContainText(/CPU.*step 2/);
  });
}

test('with the CPU selected, runs are kept and checkpoints open, without a message', async ({ page }) => {
  await open(page, '#plan=8+M+16+M&classifier=16&device=cpu');
  await steps(page, 1);
  await expect(page.locator('.message')).toHaveCount(0);
  await page.evaluate(async () => {
    const { crossdub } = /** @type {any} */ (window);
    await crossdub.runs.keep('over http');
    await crossdub.load(new File([await crossdub.weights()], 'weights.safetensors'));
  });
  await expect(page.locator('.message')).toContainText('Showing weights.safetensors');
  await expect(page.getByRole('button', { name: 'Delete over http' })).toBeVisible();
});
