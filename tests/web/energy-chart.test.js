import { expect, test } from 'vitest';

import { pruningChanges } from '../../web/charts/energy.js';

/** @param {(string | null)[]} prunings */
const history = (...prunings) =>
  prunings.map(
    (pruning, step) => /** @type {import('../../web/types/messages').Point} */ ({ step, pruning }),
  );

test('changes of the previewed pruning are marked, gaps are not', () => {
  expect(pruningChanges(history('a', 'a', null, 'a', 'b', null, 'c'))).toEqual([
    { step: 4, pruning: 'b' },
    { step: 6, pruning: 'c' },
  ]);
  expect(pruningChanges(history(null, 'a'))).toEqual([]);
});

test('only the last six changes are marked', () => {
  const many = history(...Array.from({ length: 20 }, (_, i) => String(i)));
  expect(pruningChanges(many).map(({ step }) => step)).toEqual([14, 15, 16, 17, 18, 19]);
});
