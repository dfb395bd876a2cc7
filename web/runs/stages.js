/** Accuracy and improvement after each stage of a report, for the table and the Pareto chart. */

/** @typedef {import('../types/types').Report} Report */
/** @typedef {'paper' | 'lossless'} Model */
/** @typedef {{ stage: string, accuracy: number | null, paper: number | null, lossless: number | null }} StageFacts */

/** @type {Record<import('../types/types').Stage['kind'], string>} */
const WORDS = { train: 'trained', prune: 'pruned', finetune: 'fine-tuned' };

/**
 * Each stage of the report; the last one describes its final weights.
 * @param {Report} report
 * @returns {StageFacts[]}
 */
export function stagesOf({ training, analysis, stages = [] }) {
  const facts = stages.map(({ kind, accuracy, energy }) => ({
    stage: WORDS[kind],
    accuracy,
    paper: energy.paper.improvement,
    lossless: energy.lossless.improvement,
  }));
  if (facts.length > 0) return facts;
  const { paper, lossless } = analysis.energy;
  return [
    {
      stage: WORDS.train,
      accuracy: training.accuracy,
      paper: paper.improvement,
      lossless: lossless.improvement,
    },
  ];
}
