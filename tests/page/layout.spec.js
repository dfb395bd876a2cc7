import AxeBuilder from '@axe-core/playwright';
import { expect } from '@playwright/test';

import { open, test } from './page.js';

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  for (const [name, viewport] of /** @type {const} */ ([
    ['desktop', { width: 1440, height: 900 }],
    ['phone', { width: 390, height: 844 }],
  ])) {
    test(`axe finds no serious violation: ${name}, ${colorScheme}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      await open(page);
      await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
      if (name === 'phone') await page.locator('.settings > summary').click();
      await page.locator('#more').click();
      await page.locator('#loss summary').click();
      // With an error message on the page.
      await page.evaluate(() =>
        /** @type {any} */ (window).crossdub.set({ batch: 0 }).catch(() => undefined),
      );
      await expect(page.locator('.message.error')).toBeVisible();
      const { violations } = await new AxeBuilder({ page })
        .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
        .analyze();
      const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(serious.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])).toEqual([]);
    });
  }
}

for (const width of [320, 390, 768, 1024, 1440]) {
  test(`nothing overflows a window of ${width} pixels`, async ({ page }) => {
    await page.setViewportSize({ width, height: 844 });
    await open(page);
    await page.evaluate(() => /** @type {any} */ (window).crossdub.step());
    await expect(page.locator('#tile .cells canvas')).toBeVisible();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(wide).toBeLessThanOrEqual(0);
  });
}

test('the Content-Security-Policy is as documented', async ({ page }) => {
  await open(page);
  await expect(page.locator('meta[http-equiv="Content-Security-Policy"]')).toHaveAttribute(
    'content',
    [
      "default-src 'self'",
      "script-src 'self' 'wasm-unsafe-eval'",
      "style-src 'self' 'unsafe-inline'",
      "img-src 'self' blob: data:",
      "worker-src 'self' blob:",
    ].join('; '),
  );
});
