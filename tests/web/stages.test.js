import { expect, test } from 'vitest';

import { stagesOf } from '../../web/runs/stages.js';

/** @typedef {import('../../web/types/types').Report} Report */

/** @param {number} paper @param {number} lossless */
const energy = (paper, lossless) => ({ paper: { improvement: paper }, lossless: { improvement: lossless } });

test('a report with stages has one row for each', () => {
  const report = {
    training: { accuracy: 1 },
    hardware: { tile: 64 },
    analysis: { energy: energy(9, 9) },
    stages: [
      { kind: 'train', accuracy: 90, energy: energy(1, 1), hardware: { tile: 32 } },
      { kind: 'prune', accuracy: null, energy: energy(3, 2) },
      {
        kind: 'finetune',
        accuracy: 89,
        energy: { ...energy(3.5, 2.5), lossless_sliced: { improvement: 20 } },
      },
    ],
  };
  expect(stagesOf(/** @type {Report} */ (/** @type {unknown} */ (report)))).toEqual([
    { stage: 'trained', accuracy: 90, tile: 32, paper: 1, lossless: 1, cells: null },
    { stage: 'pruned', accuracy: null, tile: 64, paper: 3, lossless: 2, cells: null },
    { stage: 'fine-tuned', accuracy: 89, tile: 64, paper: 3.5, lossless: 2.5, cells: 20 },
  ]);
});

test('a report without stages is a trained network', () => {
  const report = { training: { accuracy: 88 }, hardware: { tile: 16 }, analysis: { energy: energy(2, 1.5) } };
  expect(stagesOf(/** @type {Report} */ (/** @type {unknown} */ (report)))).toEqual([
    { stage: 'trained', accuracy: 88, tile: 16, paper: 2, lossless: 1.5, cells: null },
  ]);
});
