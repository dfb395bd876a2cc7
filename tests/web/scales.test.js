import { expect, test } from 'vitest';

import { bitsScale, densityScale, imbalanceScale, levelScale } from '../../web/charts/scales.js';

const theme = (/** @type {boolean} */ dark) =>
  /** @type {import('../../web/charts/scales.js').Theme} */ ({ dark });

/** Approximate relative luminance. @param {string} colour */
function luminance(colour) {
  const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map(Number);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

test('a denser tile stands out more from the background, in both themes', () => {
  const light = densityScale(theme(false));
  expect(luminance(light.colour(1))).toBeLessThan(luminance(light.colour(0)));
  const dark = densityScale(theme(true));
  expect(luminance(dark.colour(1))).toBeGreaterThan(luminance(dark.colour(0)));
});

test('level 0 has the colour of the most bits', () => {
  const [levels, bits] = [levelScale(6, theme(false)), bitsScale(6, theme(false))];
  expect(levels.colour(0)).toBe(bits.colour(6));
  expect(levels.colour(6)).toBe(bits.colour(0));
  expect(levels.ordered && bits.ordered).toBe(true);
});

test('values outside the domain get the colours of its ends', () => {
  const scale = imbalanceScale(2, theme(false));
  expect(scale.colour(5)).toBe(scale.colour(2));
  expect(scale.colour(-1)).toBe(scale.colour(0));
});

test('a domain with one value gets the strongest colour', () => {
  const scale = imbalanceScale(0, theme(false));
  expect(scale.colour(0)).toBe(imbalanceScale(1, theme(false)).colour(1));
});

test('text on a tile is dark on pale and white on strong', () => {
  const scale = bitsScale(7, theme(false));
  expect([scale.ink(0), scale.ink(7)]).toEqual(['#14181b', '#ffffff']);
});
