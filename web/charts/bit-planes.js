/**
 * The bit planes of one tile: a small picture for each weight slice, columns (outputs) right, rows (inputs) down. A
 * cell is filled where the slice of the weight's magnitude is not 0. Slices without a set cell are named in one line.
 */

import { make } from '../ui/element.js';

/** Pixels of a picture's longer side. */
const SIDE = 92;

/**
 * @param {import('../types/types').TileDetail} detail
 * @param {{ cellBits: number, theme: import('../types/messages').Theme }} options
 * @returns {HTMLElement}
 */
export function bitPlanes(detail, { cellBits, theme }) {
  const used = detail.slices.filter(({ set }) => set[0] + set[1] > 0);
  const empty = detail.slices.length - used.length;
  const pictures = used
    .map((slice) => figure(detail, slice, { cellBits, theme }))
    // The highest bits first, as numbers are written.
    .reverse();
  const note = empty > 0 ? `${empty} of ${detail.slices.length} slices are empty: no conversion` : '';
  return make(
    'div',
    { className: 'bit-planes' },
    ...pictures,
    ...(note ? [make('p', { className: 'part', textContent: note })] : []),
  );
}

/**
 * @param {import('../types/types').TileDetail} detail
 * @param {import('../types/generated').SliceDetail} slice
 * @param {{ cellBits: number, theme: import('../types/messages').Theme }} options
 */
function figure(detail, slice, { cellBits, theme }) {
  const highest = slice.lowest_bit + cellBits - 1;
  const name = highest === slice.lowest_bit ? `bit ${highest}` : `bits ${slice.lowest_bit}–${highest}`;
  const [positive, negative] = slice.set;
  const bits = `${slice.bits[0]} + ${slice.bits[1]}`;
  const text = `${name}: at most ${positive} positive and ${negative} negative cells set, ${bits} ADC bits`;
  const canvas = plane(detail, { ...slice, mask: 2 ** cellBits - 1 }, theme);
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', text);
  const caption = make('p', {}, make('b', { textContent: name }));
  caption.append(
    make('span', { textContent: `set: ${positive} +, ${negative} −` }),
    make('span', { textContent: `ADC: ${bits} bits` }),
  );
  return make('div', { className: 'plane', title: text }, canvas, caption);
}

/**
 * @param {import('../types/types').TileDetail} detail
 * @param {{ lowest_bit: number, mask: number }} slice
 * @param {import('../types/messages').Theme} theme
 */
function plane({ rows, columns, integers }, { lowest_bit, mask }, theme) {
  const canvas = make('canvas');
  const ratio = Math.max(1, window.devicePixelRatio);
  const cell = SIDE / Math.max(rows, columns);
  canvas.width = Math.ceil(columns * cell * ratio);
  canvas.height = Math.ceil(rows * cell * ratio);
  canvas.style.width = `${columns * cell}px`;
  canvas.style.height = `${rows * cell}px`;
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  context.scale(ratio, ratio);
  const gap = cell >= 4 ? 0.5 : 0;
  for (let column = 0; column < columns; column += 1) {
    for (let row = 0; row < rows; row += 1) {
      const integer = integers[column * rows + row] ?? 0;
      if (((Math.abs(integer) >> lowest_bit) & mask) === 0) continue;
      context.fillStyle = integer < 0 ? theme.negative : theme.positive;
      context.fillRect(column * cell, row * cell, cell - gap, cell - gap);
    }
  }
  context.strokeStyle = theme.line;
  context.strokeRect(0.5, 0.5, columns * cell - 1, rows * cell - 1);
  return canvas;
}
