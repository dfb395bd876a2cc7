import { expect, test } from 'vitest';

import { spreadLabels } from '../../web/charts/converters.js';

test('labels on a logarithmic axis keep their order and a distance', () => {
  const models = [
    { model: 'a', energy: 1 },
    { model: 'b', energy: 1.01 },
    { model: 'c', energy: 100 },
  ];
  const labels = spreadLabels(models, 0.01, 100);
  expect(labels.map(({ model }) => model)).toEqual(['c', 'b', 'a']);
  const gap = Math.log(100 / 0.01) / 22;
  const at = labels.map((label) => Math.log(label.at));
  expect(at[0]).toBeCloseTo(Math.log(100));
  for (let i = 1; i < at.length; i += 1)
    expect((at[i - 1] ?? 0) - (at[i] ?? 0)).toBeGreaterThanOrEqual(gap - 1e-9);
});
