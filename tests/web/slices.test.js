import { expect, test } from 'vitest';

import { bitsBySlice } from '../../web/charts/slices.js';

/** @param {string} name @param {[number, number, number][]} slices conversions, dense, actual: the lowest bits first */
const layer = (name, slices) => ({
  name,
  slices: slices.map(([conversions, dense, actual], at) => ({ lowest_bit: at, conversions, dense, actual })),
});

test('bits are means of a conversion, the highest slice first, and shares add up', () => {
  const layers = [
    layer('a', [
      [4, 24, 8],
      [4, 24, 0],
    ]),
    layer('b', [
      [2, 10, 6],
      [2, 10, 2],
    ]),
  ];
  const table = bitsBySlice(layers);
  expect(table.lowest).toEqual([1, 0]);
  expect(table.layers[0]?.bits).toEqual([
    { mean: 0, most: 6 },
    { mean: 2, most: 6 },
  ]);
  expect(table.layers[1]?.bits.map(({ mean }) => mean)).toEqual([1, 3]);
  expect(table.shares).toEqual([2 / 16, 14 / 16]);
  expect(table.improvement).toBe(68 / 16);
});

test('a network without a set cell, and none at all', () => {
  expect(bitsBySlice([layer('a', [[4, 24, 0]])])).toMatchObject({ shares: [0], improvement: null });
  expect(bitsBySlice([])).toMatchObject({ lowest: [], layers: [], shares: [], improvement: null });
});
