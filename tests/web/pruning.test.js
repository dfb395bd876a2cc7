import { expect, test } from 'vitest';

import { hasTarget, pruningLabel, samePruning } from '../../web/state/pruning.js';

/** @typedef {import('../../web/types/types').PruneSettings} PruneSettings */
/** @param {PruneSettings['rule']} rule @param {number} [strength] @param {number} [target] */
const pruning = (rule, strength = 90, target = 3) => ({ rule, strength, target });

test('settings are the same if what their rule uses is the same', () => {
  expect(samePruning(pruning('exact'), pruning('exact', 90, 7))).toBe(true);
  expect(samePruning(pruning('budget'), pruning('budget', 10))).toBe(true);
  expect(samePruning(pruning('exact'), pruning('exact', 80))).toBe(false);
  expect(samePruning(pruning('budget'), pruning('budget', 90, 4))).toBe(false);
  expect(samePruning(pruning('exact'), pruning('paper'))).toBe(false);
  expect(samePruning(null, null)).toBe(true);
  expect(samePruning(null, pruning('exact'))).toBe(false);
});

test('a label names the rule unless it is the default', () => {
  expect(pruningLabel(pruning('exact'))).toBe('90 %');
  expect(pruningLabel(pruning('paper', 60))).toBe('paper 60 %');
  expect(pruningLabel(pruning('budget'))).toBe('3×');
});

test('set cells are a target of their own', () => {
  expect(hasTarget(pruning('bit-planes')) && hasTarget(pruning('budget'))).toBe(true);
  expect(hasTarget(pruning('exact'))).toBe(false);
  expect(samePruning(pruning('bit-planes'), pruning('budget'))).toBe(false);
  expect(samePruning(pruning('bit-planes'), pruning('bit-planes', 10))).toBe(true);
  expect(pruningLabel(pruning('bit-planes', 90, 20))).toBe('cells 20×');
});
