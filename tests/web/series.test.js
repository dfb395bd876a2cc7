import { describe, expect, test } from 'vitest';

import { downsample, movingAverage } from '../../web/charts/series.js';

const points = (/** @type {(number | null)[]} */ values) => values.map((value, step) => ({ step, value }));
const value = (/** @type {{ value: number | null }} */ point) => point.value;

describe('downsample', () => {
  test('keeps a short series, without the points that have no value', () => {
    expect(downsample(points([1, null, NaN, 4]), value)).toEqual([
      { step: 0, value: 1 },
      { step: 3, value: 4 },
    ]);
  });

  test('averages neighbours of a long series, at the step of the last one', () => {
    expect(downsample(points([1, 3, 5, 7, 100]), value, 3)).toEqual([
      { step: 1, value: 2 },
      { step: 3, value: 6 },
      { step: 4, value: 100 },
    ]);
  });

  test('never exceeds its limit, and keeps the last step', () => {
    const long = downsample(points(Array.from({ length: 10_001 }, (_, i) => i)), value, 300);
    expect(long.length).toBeLessThanOrEqual(300);
    expect(long.at(-1)?.step).toBe(10_000);
  });

  test('returns nothing for an empty series', () => expect(downsample([], value)).toEqual([]));
});

describe('movingAverage', () => {
  test('of a constant is that constant from the first point on', () => {
    for (const point of movingAverage(points([2, 2, 2]).map(({ step }) => ({ step, value: 2 })))) {
      expect(point.value).toBeCloseTo(2);
    }
  });

  test('weights the past by its decay', () => {
    const [first, second] = movingAverage(
      [
        { step: 0, value: 0 },
        { step: 1, value: 3 },
      ],
      0.5,
    );
    expect(first).toEqual({ step: 0, value: 0 });
    // 0.5 * 3 of a total weight of 0.75.
    expect(second).toEqual({ step: 1, value: 2 });
  });
});
