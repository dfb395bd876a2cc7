import { expect } from '@playwright/test';

import { open, test } from './page.js';

test('the tour works by keyboard, notices finished tasks, and stores nothing', async ({ page }) => {
  await open(page);
  const card = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Tour' }).focus();
  await page.keyboard.press('Enter');
  await expect(card.getByRole('heading')).toBeFocused();
  await expect(card).toContainText('1 of 6: The crossbar');
  await expect(page.locator('#maps')).toHaveClass(/toured/);

  // A finished task is noticed wherever the focus is.
  await page.locator('.layer-map').last().focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('Enter');
  await expect(card.locator('.task')).toContainText('Done.');
  await expect(card).toContainText('1 of 6');

  for (const [at, target] of [
    [2, '#tile'],
    [3, '.chapter.train'],
    [4, '.chapter.save'],
    [5, '#pareto'],
    [6, '#tile'],
  ]) {
    await card.getByRole('button', { name: 'Next' }).focus();
    await page.keyboard.press('Enter');
    await expect(card).toContainText(`${at} of 6`);
    await expect(page.locator(String(target))).toHaveClass(/toured/);
    await expect(page.locator('.toured')).toHaveCount(1);
  }
  await page.keyboard.press('ArrowLeft');
  await expect(card).toContainText('5 of 6');
  await page.keyboard.press('Escape');
  await expect(card).toBeHidden();
  await expect(page.locator('.toured')).toHaveCount(0);
  await expect(page.getByRole('button', { name: 'Tour' })).toBeFocused();
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([
    0,
    0,
    '',
  ]);
});

test('every task of the tour can be done', async ({ page }) => {
  // Smooth scrolling would move targets away from clicks.
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await open(page);
  await page.getByRole('button', { name: 'Tour' }).click();
  const card = page.getByRole('dialog');
  const done = () => expect(card.locator('.task')).toContainText('Done.');
  const next = () => card.getByRole('button', { name: 'Next' }).click();
  await page.locator('.layer-map').last().click();
  await done();
  await next();
  await page.getByRole('radio', { name: 'ADC bits' }).check({ force: true });
  await done();
  await next();
  await page.getByRole('button', { name: 'Step' }).click();
  await done();
  await next();
  await page.getByRole('slider').fill('80');
  await done();
  await next();
  await page.locator('#pareto-model input[value=lossless]').check({ force: true });
  await done();
  await next();
  await page.getByRole('button', { name: 'More…' }).click();
  await page.getByLabel('Quantized to bits').fill('3');
  await page.getByLabel('Quantized to bits').press('Enter');
  await done();
  await card.getByRole('button', { name: 'Finish' }).click();
  await expect(card).toBeHidden();
});
