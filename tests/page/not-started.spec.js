/** A page that can't start: opened as a file, or without its code. */

import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from '@playwright/test';

import { test } from './page.js';

test.describe('opened as a file', () => {
  // The browser logs that it loads no module, which is what these tests are about.
  test.use({ expectedErrors: /blocked by CORS policy|Failed to load resource/ });

  for (const [name, file] of /** @type {const} */ ([
    ['the built page', 'dist/index.html'],
    ['the page’s source', 'index.html'],
  ])) {
    test(`${name} says that it needs a web server`, async ({ page }) => {
      await page.goto(pathToFileURL(path.resolve(file)).href);
      await expect(page.getByRole('alert')).toHaveText(
        /^This page needs a web server: run “cargo xtask demo”/,
      );
      await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(page.getByRole('button')).toHaveCount(0);
    });
  }
});

test('a page whose code does not arrive says so', async ({ page }) => {
  await page.route('**/assets/*.js', (route) => route.fulfill({ status: 404 }));
  await page.goto('./');
  await expect(page.getByRole('alert')).toHaveText(/^The page could not load its code/);
  await expect(page.getByRole('button')).toHaveCount(0);
});
