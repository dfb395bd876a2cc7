/** The charts over the steps: loss, accuracy, regularizer. */

import { accuracyChart } from '../charts/accuracy.js';
import { lossChart } from '../charts/loss.js';
import { regularizerChart } from '../charts/regularizer.js';
import { embedding } from '../state/state.js';
import { lines, theme } from './theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { sample } from './runs.js';

/** @typedef {import('../types/messages').Point} Point */

const CHARTS = [
  { id: 'loss', title: 'Loss', height: 205, chart: lossChart, value: (/** @type {Point} */ p) => p.loss },
  {
    id: 'accuracy',
    title: 'Accuracy',
    height: 160,
    chart: accuracyChart,
    value: (/** @type {Point} */ p) => p.accuracy,
  },
  {
    id: 'regularizer',
    title: 'Regularizer',
    height: 150,
    chart: regularizerChart,
    value: (/** @type {Point} */ p) => p.regularizer,
  },
];

/** What the regularizer's value is, by its kind. */
const WORDS = {
  none: 'none is chosen',
  gated: 'imbalance of the columns',
  ungated: 'imbalance of the columns',
  'mean-and-variance': 'density and imbalance',
  'mean-and-gated-variance': 'density and imbalance',
  'group-lasso-tile': 'sum of the tiles’ norms',
  'group-lasso-row': 'sum of the rows’ norms',
  'group-lasso-column': 'sum of the columns’ norms',
};

/** The step after which the present run was pruned. @param {import('../state/session.js').Session['state']} state */
export function prunedAt({ stages }) {
  return stages.length > 1 ? (stages[0]?.steps ?? null) : null;
}

/** The legend of what is drawn besides the present run. @param {import('../types/messages').OtherCurve[]} others */
function drawLegend(others) {
  const legend = byId('run-legend');
  legend.hidden = others.length === 0;
  if (legend.hidden) return;
  const { colour = '', dash = '' } = lines()[0] ?? {};
  const entries = [{ name: 'this run', colour, dash }, ...others];
  legend.replaceChildren(
    ...entries.map((entry) => make('span', {}, sample(entry.colour, entry.dash, 2), entry.name)),
  );
}

/**
 * @param {import('../state/session.js').Session} session
 * @returns {() => void} draws
 */
export function trends({ state, runs }) {
  const figures = CHARTS.map(({ id, title, height, chart, value }) => {
    const node = byId(id);
    const place = /** @type {HTMLElement} */ (node.querySelector('.plot'));
    const entries = () => state.history.filter((point) => value(point) !== null);
    const follow = addTools(node, title, {
      name: id,
      columns: ['step', id],
      // That is what a reader of the open table looks for.
      newestFirst: true,
      rows: () => entries().map((point) => [point.step, value(point)]),
      json: () => entries().map((point) => ({ step: point.step, [id]: value(point) })),
    });
    return (/** @type {import('../types/messages').OtherCurve[]} */ others) => {
      const size = {
        width: Math.max(240, place.clientWidth),
        height,
        theme: theme(),
        pruned: prunedAt(state),
      };
      place.replaceChildren(
        chart(state.history, size, others, embedding() === 'all' ? 'No step yet' : 'Press Start to train'),
      );
      follow();
    };
  });
  return () => {
    byId('regularizer-words').textContent = state.spec ? WORDS[state.spec.regularizer] : '';
    const colours = lines();
    const others = runs.shown.map(({ name, slot, report }) => {
      const { colour = '', dash = '' } = colours[(slot ?? 0) + 1] ?? {};
      return { name, colour, dash, history: report.training.history };
    });
    drawLegend(others);
    figures.forEach((draw) => draw(others));
  };
}
