import { expect, test } from 'vitest';

import { parseWorkers, workersFor } from '../../web/state/workers.js';

const page = { requested: null, cores: 64, batch: 128, bytes: 0 };

test('the URL may say how many workers train', () => {
  expect(parseWorkers('')).toEqual({ workers: null, invalid: [] });
  expect(parseWorkers('?embed&workers=4')).toEqual({ workers: 4, invalid: [] });
  for (const bad of ['0', '9', '-1', '2.5', '', 'all']) {
    expect(parseWorkers(`?workers=${bad}`).workers).toBeNull();
    expect(parseWorkers(`?workers=${bad}`).invalid).toHaveLength(1);
  }
  expect(workersFor({ ...page, requested: 2, cores: 2, batch: 8 })).toBe(2);
});

test('one core is left for the page, and two cores train with one', () => {
  expect([1, 2, 4, 8, 64].map((cores) => workersFor({ ...page, cores }))).toEqual([1, 1, 3, 7, 8]);
});

test('a small batch is not shared', () => {
  expect([1, 16, 31, 32, 64].map((batch) => workersFor({ ...page, batch }))).toEqual([1, 1, 1, 2, 4]);
});

test('images that every worker has to hold limit them', () => {
  expect(workersFor({ ...page, bytes: 184e6 })).toBe(5);
  expect(workersFor({ ...page, requested: 8, bytes: 1.4e9 })).toBe(1);
});
