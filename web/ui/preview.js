/** "If pruned now": the level histogram, the energy by both models, and what they mean. */

import { energyChart } from '../charts/energy.js';
import { histogramChart } from '../charts/histogram.js';
import { isPreviewed } from '../state/known.js';
import { theme } from './theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { prunedAt } from './trends.js';
import { percent, times } from './words.js';

/** @typedef {import('../state/session.js').Session} Session */

/** @param {number} part @param {number} whole */
function share(part, whole) {
  return whole === 0 ? percent(0) : percent((100 * part) / whole);
}

/** What is before the energies: the accuracy as it is, and if pruned now. @param {Session['state']} state */
function accuracyWords({ dropped, shown, stages: own, trial, evaluation }) {
  if (dropped && !shown?.stages) return [];
  const stages = shown?.stages ?? own;
  const done = stages.some((stage) => stage.kind === 'prune');
  const now = (done ? stages.at(-1)?.accuracy : trial?.accuracy) ?? null;
  const before = (done ? stages[0]?.accuracy : (evaluation?.accuracy ?? stages[0]?.accuracy)) ?? null;
  const small = make('span', {}, before === null ? 'accuracy' : `accuracy, was ${percent(before)}`);
  return [
    make('div', { className: 'kept' }, make('b', { textContent: now === null ? '–' : percent(now) }), small),
  ];
}

/** @param {Session['state']} state @param {import('../types/types').View} view */
function drawTotals(state, { preview }) {
  const total = (/** @type {'paper' | 'lossless'} */ model) =>
    make(
      'div',
      { className: model },
      make('b', { textContent: times(preview.energy[model].improvement) }),
      make('span', { textContent: model }),
    );
  byId('totals').replaceChildren(total('paper'), total('lossless'), ...accuracyWords(state));
  const { zeros, weights } = preview;
  const of = `${share(zeros, weights)} of ${weights.toLocaleString('en')} weights`;
  const { rule, strength } = state.choice;
  byId('strength-note').textContent = state.shown
    ? `${of} are zero.`
    : !isPreviewed(state)
      ? `${of} are zero, and stay so while fine-tuning.`
      : rule === 'budget'
        ? `Levels are chosen tile by tile to lose least; ${of} go.`
        : `The smallest ${strength} % of each layer count as zero; tiles then lose ${of}.`;
}

/** @param {import('../types/types').View} view */
function drawWords({ analysis }) {
  const rows = analysis.tile;
  // Levels run from 0 to N + 1.
  const n = analysis.histogram.length - 2;
  const bold = (/** @type {string} */ text) => make('b', { textContent: text });
  byId('energy-words').replaceChildren(
    bold('Paper: '),
    `a tile at level k needs N − k bits (here N = ${n}, for ${rows} rows), so a column with one active row would need none. `,
    bold('Lossless: '),
    'one active row still says yes or no, which is one bit: n active rows can add up to n + 1 different sums and need ⌈log₂(n + 1)⌉ bits to lose nothing. ',
    'So the two differ by about one bit a tile. ',
    'Where many bits are left that bit hardly counts; where few are left it is half of them or all. ',
    'That is why the paper’s number is the higher one, and the more so the sparser the network.',
  );
  byId('tile-size').textContent = `${rows} × ${rows} cells`;
}

/**
 * @param {Session} session
 * @returns {() => void} draws
 */
export function preview({ state }) {
  const histogram = byId('histogram');
  const energy = byId('energy');
  const followHistogram = addTools(histogram, 'Tiles at each level', {
    name: 'levels',
    columns: ['level', 'if pruned now', 'present', 'present, almost zeros counted'],
    rows: () => {
      const { analysis, preview: previewed } = state.view ?? {};
      return (previewed?.histogram ?? []).map((tiles, level) => [
        level,
        tiles,
        analysis?.histogram[level] ?? null,
        analysis?.almost_zero_histogram[level] ?? null,
      ]);
    },
    json: () => ({ analysis: state.view?.analysis, preview: state.view?.preview }),
  });
  const measured = () => state.history.filter((point) => point.improvement_paper !== null);
  const followEnergy = addTools(energy, 'ADC energy improvement', {
    name: 'energy',
    columns: ['step', 'pruning', 'paper', 'lossless'],
    newestFirst: true,
    rows: () => measured().map((p) => [p.step, p.pruning, p.improvement_paper, p.improvement_lossless]),
    json: measured,
  });
  const place = (/** @type {HTMLElement} */ figure) =>
    /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  return () => {
    const { view } = state;
    if (!view) return;
    const size = { width: Math.max(240, place(histogram).clientWidth), theme: theme() };
    const tiles = { previewed: view.preview.histogram, current: view.analysis.histogram };
    place(histogram).replaceChildren(histogramChart(tiles, { ...size, height: 145 }));
    drawTotals(state, view);
    drawWords(view);
    if (state.dropped) {
      const text = state.shown
        ? 'The run’s curves are drawn over this one’s in section 1.'
        : 'A dropped checkpoint has no steps: the numbers above are for it.';
      place(energy).replaceChildren(make('p', { className: 'empty', textContent: text }));
    } else
      place(energy).replaceChildren(
        energyChart(state.history, { ...size, height: 165, pruned: prunedAt(state) }),
      );
    followHistogram();
    followEnergy();
  };
}
