/** The charts over the steps: loss, accuracy, regularizer. */

import { accuracyChart } from '../charts/accuracy.js';
import { lossChart } from '../charts/loss.js';
import { regularizerChart } from '../charts/regularizer.js';
import { drawnRuns, prunedAt } from '../state/selectors.js';
import { embedMode } from '../state/url.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { lineSample } from './runs.js';
import { lineStyles, theme } from './theme.js';

/** @typedef {import('../types/messages').Point} Point */
/** @typedef {import('../types/messages').OtherCurve} OtherCurve */
/** @typedef {import('../types/messages').State} State */

/** Steps may come much faster than curves can be drawn. */
const CURVES_MS = 300;

/** @type {{ id: 'loss' | 'accuracy' | 'regularizer', title: string, height: number, chart: typeof lossChart }[]} */
const CHARTS = [
  { id: 'loss', title: 'Loss', height: 205, chart: lossChart },
  { id: 'accuracy', title: 'Accuracy', height: 160, chart: accuracyChart },
  { id: 'regularizer', title: 'Regularizer', height: 150, chart: regularizerChart },
];

/** What each regularizer measures. */
const REGULARIZERS = {
  none: 'not chosen',
  gated: 'imbalance of the columns',
  ungated: 'imbalance of the columns',
  'mean-and-variance': 'density and imbalance',
  'mean-and-gated-variance': 'density and imbalance',
  'group-lasso-tile': 'sum of the tiles’ norms',
  'group-lasso-row': 'sum of the rows’ norms',
  'group-lasso-column': 'sum of the columns’ norms',
};

/** The legend, if other runs are drawn. @param {OtherCurve[]} others */
function drawLegend(others) {
  const legend = byId('run-legend');
  legend.hidden = others.length === 0;
  if (legend.hidden) return;
  const { colour = '', dash = '' } = lineStyles()[0] ?? {};
  const entries = [{ name: 'this run', colour, dash }, ...others];
  legend.replaceChildren(
    ...entries.map((entry) => make('span', {}, lineSample(entry.colour, entry.dash, 2), entry.name)),
  );
}

/** @param {State} state @returns {OtherCurve[]} */
function otherCurves(state) {
  const styles = lineStyles();
  return drawnRuns(state).map(({ name, slot, report }) => {
    const { colour = '', dash = '' } = styles[(slot ?? 0) + 1] ?? {};
    return { name, colour, dash, history: report.training.history };
  });
}

/** @param {import('../types/page').Page} page */
export function trainingCharts({ store, renderer }) {
  const figures = CHARTS.map(({ id, title, height, chart }) => {
    const node = byId(id);
    const place = /** @type {HTMLElement} */ (node.querySelector('.plot'));
    const points = () => store.getState().history.filter((point) => point[id] !== null);
    const refreshTools = addTools(node, title, {
      name: id,
      columns: ['step', id],
      // A reader looks for the latest steps first.
      newestFirst: true,
      rows: () => points().map((point) => [point.step, point[id]]),
      json: () => points().map((point) => ({ step: point.step, [id]: point[id] })),
    });
    return (/** @type {State} */ state, /** @type {OtherCurve[]} */ others) => {
      const width = Math.max(240, place.clientWidth);
      const hint = embedMode() === 'all' ? 'No step yet' : 'Press Start to train';
      const size = {
        width,
        height,
        theme: theme(),
        pruned: prunedAt(state),
        classes: state.classes.length || 10,
      };
      place.replaceChildren(chart(state.history, size, others, hint));
      refreshTools();
    };
  });
  const draw = () => {
    const state = store.getState();
    byId('regularizer-words').textContent = state.spec ? REGULARIZERS[state.spec.regularizer] : '';
    const others = otherCurves(state);
    drawLegend(others);
    for (const drawFigure of figures) drawFigure(state, others);
  };
  renderer.add(({ history, stages, runs, spec }) => [history, stages, runs, spec], draw, {
    minInterval: CURVES_MS,
  });
}
