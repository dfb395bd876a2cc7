/** "If pruned now": the level histogram, the energy by both counts, and what they mean. */

import { energyChart } from '../charts/energy.js';
import { histogramChart } from '../charts/histogram.js';
import { isPreview, isReportOpen, prunedAt } from '../state/selectors.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { count, percent, share, times } from './format.js';
import { theme } from './theme.js';

/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../types/messages').Point} Point */

/** The accuracy after pruning and before; nothing for a file that has none. @param {State} state */
function accuracy({ file, stages: ownStages, previewEvaluation, evaluation }) {
  const stages = file ? file.stages : ownStages;
  if (file && stages.length === 0) return [];
  const isPruned = stages.some((stage) => stage.kind === 'prune');
  const first = stages[0]?.accuracy ?? null;
  const now = (isPruned ? stages.at(-1)?.accuracy : previewEvaluation?.accuracy) ?? null;
  const before = isPruned ? first : (evaluation?.accuracy ?? first);
  const label = make('span', {}, before === null ? 'accuracy' : `accuracy, was ${percent(before)}`);
  const value = make('b', { textContent: now === null ? '–' : percent(now) });
  return [make('div', { className: 'kept' }, value, label)];
}

/** What is or would be pruned, in a sentence. @param {State} state @param {import('../types/types').Preview} preview */
function prunedText(state, { zeros, weights }) {
  const part = `${share(zeros, weights)} of ${count(weights)} weights`;
  if (isReportOpen(state)) return `${part} are zero.`;
  if (!isPreview(state)) {
    const pruned = state.stages.find((stage) => stage.kind === 'prune')?.pruning;
    return pruned?.rule === 'bit-planes'
      ? `${part} are zero. Fine-tuning moves integers within each column’s limits.`
      : `${part} are zero, and stay zero while fine-tuning.`;
  }
  const { rule = 'exact', strength = 0 } = state.pruning ?? {};
  if (rule === 'bit-planes')
    return `Each layer’s bits and each slice’s set cells are chosen to lose least; ${part} become zero.`;
  return rule === 'budget'
    ? `Each tile’s level is chosen to lose least; that prunes ${part}.`
    : `The smallest ${strength} % of each layer count as zero; that prunes ${part}.`;
}

/** @param {State} state @param {import('../types/types').View} view */
function drawTotals(state, { preview: result }) {
  const { paper, lossless, lossless_sliced: cells } = result.energy;
  const total = (
    /** @type {string} */ className,
    /** @type {number | null} */ improvement,
    words = className,
  ) => {
    const value = make('b', { textContent: times(improvement) });
    return make('div', { className }, value, make('span', { textContent: words }));
  };
  byId('totals').replaceChildren(
    total('paper', paper.improvement),
    total('lossless', lossless.improvement),
    // Counted where weights are integers.
    ...(cells ? [total('lossless cells', cells.improvement, 'lossless, by set cells')] : []),
    ...accuracy(state),
  );
  byId('strength-note').textContent = prunedText(state, result);
}

/** @param {import('../types/types').View} view */
function drawExplanation({ analysis }) {
  const rows = analysis.tile;
  // Levels run from 0 to N + 1.
  const n = analysis.histogram.length - 2;
  const bold = (/** @type {string} */ text) => make('b', { textContent: text });
  byId('energy-words').replaceChildren(
    bold('Paper: '),
    `a tile at level k needs N − k bits (here N = ${n}, for ${rows} rows), `,
    'so a column with one active row would need none. ',
    bold('Lossless: '),
    'one active row still needs one bit, for on or off: n active rows have n + 1 different sums ',
    'and need ⌈log₂(n + 1)⌉ bits to lose nothing. ',
    'The two differ by about one bit a tile, which hardly matters at many bits, but is half or all of a few. ',
    'So the paper’s improvement is the higher one, and the more so the sparser the network.',
  );
  byId('tile-size').textContent = `${rows} × ${rows} cells`;
}

/** @param {import('../types/page').Page} page */
export function preview({ store, renderer }) {
  const histogram = byId('histogram');
  const energy = byId('energy');
  const refreshHistogram = addTools(histogram, 'Tiles at each level', {
    name: 'levels',
    columns: ['level', 'if pruned now', 'current', 'current, almost zeros counted'],
    rows: () => {
      const { view } = store.getState();
      if (!view) return [];
      const { histogram: current, almost_zero_histogram: almostZero } = view.analysis;
      return view.preview.histogram.map((tiles, level) => {
        return [level, tiles, current[level] ?? null, almostZero[level] ?? null];
      });
    },
    json: () => {
      const { view } = store.getState();
      return { analysis: view?.analysis, preview: view?.preview };
    },
  });
  const measured = () => store.getState().history.filter((point) => point.improvement_paper !== null);
  const refreshEnergy = addTools(energy, 'ADC energy improvement', {
    name: 'energy',
    columns: ['step', 'pruning', 'paper', 'lossless'],
    newestFirst: true,
    rows: () => measured().map((p) => [p.step, p.pruning, p.improvement_paper, p.improvement_lossless]),
    json: measured,
  });
  const plotOf = (/** @type {HTMLElement} */ figure) =>
    /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  const draw = () => {
    const state = store.getState();
    const { view, file, history } = state;
    if (!view) return;
    const size = { width: Math.max(240, plotOf(histogram).clientWidth), theme: theme() };
    const tiles = { previewed: view.preview.histogram, current: view.analysis.histogram };
    plotOf(histogram).replaceChildren(histogramChart(tiles, { ...size, height: 145 }));
    drawTotals(state, view);
    drawExplanation(view);
    const chart = file
      ? noEnergyChart(file)
      : energyChart(history, { ...size, height: 165, pruned: prunedAt(state) });
    plotOf(energy).replaceChildren(chart);
    refreshHistogram();
    refreshEnergy();
  };
  renderer.add(({ view, pruning, file, stages, previewEvaluation, evaluation }) => {
    return [view, pruning, file, stages, previewEvaluation, evaluation];
  }, draw);
}

/** @param {import('../types/messages').OpenedFile} file */
function noEnergyChart({ kind }) {
  const textContent =
    kind === 'report'
      ? 'The report’s curves are drawn over this run’s in section 1.'
      : 'A checkpoint has no steps: the numbers above describe it.';
  return make('p', { className: 'empty', textContent });
}
