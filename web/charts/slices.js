/** ADC bits by weight slice: a row for each layer, a column for each slice, the highest bits first. */

import { make } from '../ui/element.js';
import { layerName, percent } from '../ui/format.js';
import { bitsScale } from './scales.js';

/** @typedef {import('../types/generated').LayerSlices} LayerSlices */
/** @typedef {{ mean: number, most: number }} Bits bits of a conversion: the mean, and with all cells set */
/** @typedef {{ name: string, bits: Bits[] }} LayerBits */
/**
 * @typedef {object} SliceTable
 * @property {number[]} lowest each slice's lowest bit; the highest comes first
 * @property {LayerBits[]} layers
 * @property {number[]} shares each slice's part of all bits
 * @property {number | null} improvement against full crossbars; null if no conversion is left
 */

/** @param {LayerSlices[]} layers @returns {SliceTable} */
export function bitsBySlice(layers) {
  const highestFirst = layers.map(({ name, slices }) => ({ name, slices: [...slices].reverse() }));
  const lowest = (highestFirst[0]?.slices ?? []).map((slice) => slice.lowest_bit);
  const sum = (/** @type {'dense' | 'actual'} */ which, /** @type {number} */ at) =>
    highestFirst.reduce((total, layer) => total + (layer.slices[at]?.[which] ?? 0), 0);
  const actual = lowest.map((_, at) => sum('actual', at));
  const dense = lowest.reduce((total, _, at) => total + sum('dense', at), 0);
  const total = actual.reduce((all, bits) => all + bits, 0);
  return {
    lowest,
    layers: highestFirst.map((layer) => ({
      name: layer.name,
      bits: layer.slices.map((slice) => ({
        mean: slice.actual / Math.max(1, slice.conversions),
        most: slice.dense / Math.max(1, slice.conversions),
      })),
    })),
    shares: actual.map((bits) => (total === 0 ? 0 : bits / total)),
    improvement: total === 0 ? null : dense / total,
  };
}

/** A number of bits in three characters. @param {number} bits */
const short = (bits) => (bits === 0 ? '0' : bits.toFixed(1));

/**
 * @param {SliceTable} data
 * @param {{ cellBits: number, theme: import('../types/messages').Theme }} options
 */
export function sliceTable({ lowest, layers, shares }, { cellBits, theme }) {
  const most = Math.max(1, ...layers.flatMap(({ bits }) => bits.map((slice) => slice.most)));
  const scale = bitsScale(most, theme);
  const name = (/** @type {number} */ bit) =>
    cellBits === 1 ? `bit ${bit}` : `bits ${bit}–${bit + cellBits - 1}`;
  const head = ['Layer', ...lowest.map(name)].map((text) => make('th', { scope: 'col', textContent: text }));
  const cell = (/** @type {Bits} */ { mean, most: full }) => {
    const node = make('td', { textContent: short(mean), title: `${short(full)} bits with all cells set` });
    if (mean > 0) Object.assign(node.style, { background: scale.colour(mean), color: scale.ink(mean) });
    else node.className = 'none';
    return node;
  };
  const rowHead = (/** @type {string} */ textContent) => make('th', { scope: 'row', textContent });
  const row = (/** @type {LayerBits} */ layer) =>
    make('tr', {}, rowHead(layerName(layer.name)), ...layer.bits.map(cell));
  const sums = shares.map((share) => make('td', { textContent: percent(100 * share) }));
  const caption = 'Mean ADC bits of a conversion by layer and weight slice';
  return make(
    'table',
    {},
    make('caption', { className: 'unseen', textContent: caption }),
    make('thead', {}, make('tr', {}, ...head)),
    make('tbody', {}, ...layers.map(row)),
    make('tfoot', {}, make('tr', {}, rowHead('Share of all'), ...sums)),
  );
}
