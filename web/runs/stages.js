/** Accuracy and improvement after each stage of a report, for the table and the Pareto chart. */

/** @typedef {import('../types/types').Report} Report */
/** @typedef {'paper' | 'lossless' | 'cells'} Model how energy is counted: `cells` by set cells, for integers alone */
/**
 * What a stage ended with; its energy is that of crossbars with `tile` rows.
 * @typedef {{ stage: string, accuracy: number | null, tile: number } & Record<Model, number | null>} StageFacts
 */
/** @typedef {import('../types/generated').AdcEnergies} AdcEnergies */

/** @type {Record<import('../types/types').Stage['kind'], string>} */
const WORDS = { train: 'trained', prune: 'pruned', finetune: 'fine-tuned' };

/**
 * Each stage of the report; the last one describes its final weights.
 * @param {Report} report
 * @returns {StageFacts[]}
 */
export function stagesOf({ training, analysis, hardware: { tile }, stages = [] }) {
  const facts = stages.map(({ kind, accuracy, energy, hardware }) => ({
    stage: WORDS[kind],
    accuracy,
    tile: hardware?.tile ?? tile,
    ...improvements(energy),
  }));
  if (facts.length > 0) return facts;
  return [{ stage: WORDS.train, accuracy: training.accuracy, tile, ...improvements(analysis.energy) }];
}

/** @param {AdcEnergies} energy @returns {Record<Model, number | null>} */
function improvements({ paper, lossless, lossless_sliced: cells }) {
  return { paper: paper.improvement, lossless: lossless.improvement, cells: cells?.improvement ?? null };
}
