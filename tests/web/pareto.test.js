import { expect, test } from 'vitest';

import { accuracyDomain, avoidOverlap } from '../../web/charts/pareto.js';

/** @param {number} accuracy @param {'full' | 'structured' | 'diverged'} [kind] */
const run = (accuracy, kind = 'full') => ({ kind, tile: 32, accuracy, improvement: 2, label: '' });

/** @param {number[]} accuracies */
const path = (...accuracies) => ({
  name: 'run',
  colour: '',
  dash: '',
  current: true,
  stages: accuracies.map((accuracy) => ({ stage: 'trained', accuracy, improvement: 1 })),
});

test('the accuracy axis covers the published runs, except the diverged ones', () => {
  const [low, high] = accuracyDomain([run(84), run(91), run(10, 'diverged')], []);
  expect(low).toBeLessThanOrEqual(84);
  expect(low).toBeGreaterThan(60);
  expect(high).toBe(93);
});

test('a run that has hardly learned does not squash the others', () => {
  const [low] = accuracyDomain([run(84), run(91)], [path(12)]);
  expect(low).toBeGreaterThanOrEqual(70);
});

test('the axis spans at least twelve points, and stays within 0 and 100', () => {
  const [low, high] = accuracyDomain([run(99.5), run(99.6)], []);
  expect(high).toBe(100);
  expect(high - low).toBeGreaterThanOrEqual(12);
  expect(accuracyDomain([], [path(0)])[0]).toBe(0);
  expect(accuracyDomain([], [])).toEqual([0, 100]);
});

test('labels move up until none covers another; the first keeps its place', () => {
  const places = [
    { x: 100, y: 50 },
    { x: 120, y: 52 },
    { x: 130, y: 48 },
    { x: 600, y: 50 },
  ];
  const moved = avoidOverlap(places);
  expect(moved[0]).toBe(0);
  expect(moved[3]).toBe(0);
  const ys = places.slice(0, 3).map(({ y }, i) => y + (moved[i] ?? 0));
  for (const [i, a] of ys.entries())
    for (const b of ys.slice(i + 1)) expect(Math.abs(a - b)).toBeGreaterThanOrEqual(14);
});
