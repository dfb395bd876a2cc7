/** The charts over the steps: loss, accuracy, regularizer. */

import { accuracyChart } from '../charts/accuracy.js';
import { lossChart } from '../charts/loss.js';
import { regularizerChart } from '../charts/regularizer.js';
import { theme } from '../theme.js';
import { byId } from './element.js';
import { addTools } from './figure.js';

/** @typedef {import('../messages').Point} Point */

const CHARTS = [
  { id: 'loss', title: 'Loss', height: 205, chart: lossChart, value: (/** @type {Point} */ p) => p.loss },
  { id: 'accuracy', title: 'Accuracy', height: 160, chart: accuracyChart, value: (/** @type {Point} */ p) => p.accuracy },
  { id: 'regularizer', title: 'Regularizer', height: 150, chart: regularizerChart, value: (/** @type {Point} */ p) => p.regularizer },
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

/**
 * @param {import('../session.js').Session} session
 * @returns {() => void} draws
 */
export function trends({ state }) {
  const figures = CHARTS.map(({ id, title, height, chart, value }) => {
    const node = byId(id);
    const place = /** @type {HTMLElement} */ (node.querySelector('.plot'));
    const entries = () => state.history.filter((point) => value(point) !== null);
    const follow = addTools(node, title, {
      name: id,
      columns: ['step', id],
      // The newest first: that is what a reader of the open table looks for.
      rows: () => entries().map((point) => [point.step, value(point)]).reverse(),
      json: () => entries().map((point) => ({ step: point.step, [id]: value(point) })),
    });
    return () => {
      place.replaceChildren(chart(state.history, { width: Math.max(240, place.clientWidth), height, theme: theme() }));
      follow();
    };
  });
  return () => {
    byId('regularizer-words').textContent = state.spec ? WORDS[state.spec.regularizer] : '';
    figures.forEach((draw) => draw());
  };
}
