/**
 * Colours of tiles. In both themes a stronger colour means a denser tile, so that a network fades as it becomes
 * sparse. All schemes are sequential ones of ColorBrewer, safe for colour-blind readers.
 */

import * as Plot from '@observablehq/plot';

/** @typedef {import('../types/messages').Theme} Theme */
/**
 * @typedef {object} TileScale
 * @property {(value: number) => string} colour of a tile with this value
 * @property {(value: number) => string} ink text colour on that tile
 * @property {[number, number]} domain from pale to strong
 * @property {boolean} ordered whether the values are few whole numbers
 */

/**
 * Black or white, whichever contrasts more with `rgb(r, g, b)`.
 * @param {string} colour
 */
function inkOn(colour) {
  const [r = 0, g = 0, b = 0] = (colour.match(/\d+/g) ?? []).map((part) => (Number(part) / 255) ** 2.2);
  // Relative luminance: at 0.18, black and white contrast equally.
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? '#14181b' : '#ffffff';
}

/**
 * @param {Plot.ColorScheme} scheme
 * @param {[number, number]} domain from pale to strong
 * @param {Theme} theme
 * @param {boolean} ordered
 * @returns {TileScale}
 */
function scale(scheme, domain, theme, ordered) {
  const [low, high] = domain;
  const colours = Plot.scale({ color: { type: 'linear', domain: [0, 1], scheme } });
  const share = (/** @type {number} */ value) =>
    high === low ? 1 : Math.min(1, Math.max(0, (value - low) / (high - low)));
  // Leaves out the palest end, so that an empty tile still stands out from the background.
  const at = (/** @type {number} */ s) => (theme.dark ? 0.97 - 0.9 * s : 0.07 + 0.93 * s);
  const colour = (/** @type {number} */ value) => String(colours.apply(at(share(value))));
  return { colour, ink: (value) => inkOn(colour(value)), domain, ordered };
}

/** Mean density of the columns of a tile, 0 to 1. @param {Theme} theme */
export function densityScale(theme) {
  return scale('ylgnbu', [0, 1], theme, false);
}

/** @param {number} most the largest imbalance @param {Theme} theme */
export function imbalanceScale(most, theme) {
  return scale('bupu', [0, most], theme, false);
}

/** @param {number} most the largest number of saturated conversions @param {Theme} theme */
export function saturationScale(most, theme) {
  return scale('reds', [0, most], theme, false);
}

/** Level 0 is dense and has the strongest colour. @param {number} last the last level @param {Theme} theme */
export function levelScale(last, theme) {
  return scale('orrd', [last, 0], theme, true);
}

/** @param {number} most the bits of a dense tile @param {Theme} theme */
export function bitsScale(most, theme) {
  return scale('orrd', [0, most], theme, true);
}
