/** The Pareto chart: each run's accuracy against its improvement, in front of the published runs. */

import { paretoChart } from '../charts/pareto.js';
import { stagesOf } from '../runs/stages.js';
import { drawnRuns } from '../state/selectors.js';
import { lineStyles, theme } from './theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { KINDS } from './published.js';

/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../runs/stages.js').Model} Model */
/** @typedef {import('../types/types').Published} Published */
/** @typedef {import('../types/types').PublishedRun} PublishedRun */
/** @typedef {import('../charts/pareto.js').RunPath} RunPath */

/** An entry of the legend. @param {string} path in a box of 12 by 12 @param {boolean} filled @param {string} text */
function key(path, filled, text) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '-6 -6 12 12');
  svg.setAttribute('aria-hidden', 'true');
  const mark = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  const attributes = {
    d: path,
    fill: filled ? 'currentColor' : 'none',
    stroke: 'currentColor',
    'stroke-width': '1.4',
  };
  for (const [name, value] of Object.entries(attributes)) mark.setAttribute(name, value);
  svg.append(mark);
  return make('span', { className: 'key' }, svg, text);
}

/** The counts in words. @type {Record<Model, string>} */
const COUNTS = { paper: 'paper', lossless: 'lossless', cells: 'lossless, by set cells' };

const CIRCLE = 'M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0';

/** @param {number} tile */
function drawLegend(tile) {
  byId('pareto-legend').replaceChildren(
    key(CIRCLE, true, `fine-tuned, ${tile} rows`),
    key(CIRCLE, false, 'other crossbars'),
    key('M-3.5 -3.5h7v7h-7z', false, 'structured stage only'),
    key('M-4 -4L4 4M-4 4L4 -4', false, 'diverged to 10 %'),
  );
}

/** @returns {Model} */
function chosenModel() {
  const chosen = /** @type {HTMLInputElement | null} */ (byId('pareto-model').querySelector('input:checked'));
  return /** @type {Model} */ (chosen?.value ?? 'paper');
}

/**
 * A published run's improvement by a model.
 * @param {Published | null} published
 * @param {PublishedRun} run
 * @param {string} model
 */
function improvementOf(published, run, model) {
  const index = published?.models.findIndex((known) => known.model === model) ?? -1;
  return run.improvement[index] ?? null;
}

/** The stages with both numbers. @param {import('../types/types').Report} report @param {Model} model */
function drawableStages(report, model) {
  return stagesOf(report).flatMap(({ stage, accuracy, [model]: improvement }) =>
    accuracy === null || improvement === null ? [] : [{ stage, accuracy, improvement }],
  );
}

/** @param {State} state @param {Model} model @returns {RunPath[]} */
function paths(state, model) {
  const styles = lineStyles();
  const style = (/** @type {number} */ index) => styles[index] ?? { colour: '', dash: '' };
  const others = drawnRuns(state).map(({ name, report, slot }) => ({
    name,
    ...style((slot ?? 0) + 1),
    current: false,
    stages: drawableStages(report, model),
  }));
  const { report } = state;
  if (!report) return others;
  return [...others, { name: 'this run', ...style(0), current: true, stages: drawableStages(report, model) }];
}

/** The published runs on CIFAR-10, as the chart draws them. @param {State} state @param {Model} model */
function publishedPoints({ published }, model) {
  return (published?.runs ?? [])
    .filter((run) => run.dataset === 'CIFAR-10')
    .flatMap((run) => {
      const { kind, tile, accuracy, method } = run;
      const improvement = improvementOf(published, run, model);
      const label = `Published: ${method}, ${tile} rows${KINDS[kind] && `, ${KINDS[kind]}`}`;
      return improvement === null ? [] : [{ kind, tile, accuracy, improvement, label }];
    });
}

/** The current run and those that are drawn. @param {State} state */
function reports(state) {
  const others = drawnRuns(state).map(({ name, report }) => ({ name, report }));
  return state.report ? [{ name: 'this run', report: state.report }, ...others] : others;
}

/** @param {State} state @returns {(string | number | null)[][]} */
function rows(state) {
  const own = reports(state).flatMap(({ name, report }) =>
    stagesOf(report).map(({ stage, accuracy, tile, paper, lossless, cells }) => {
      return [name, tile, stage, '', accuracy, paper, lossless, cells];
    }),
  );
  const published = (state.published?.runs ?? []).map((run) => {
    const improvement = ['paper', 'lossless'].map((model) => improvementOf(state.published, run, model));
    const name = `${run.dataset}, ${run.method} (published)`;
    return [name, run.tile, 'fine-tuned', KINDS[run.kind], run.accuracy, ...improvement, null];
  });
  return [...own, ...published];
}

/** @param {import('../types/page').Page} page */
export function comparison({ store, renderer }) {
  const figure = byId('pareto');
  const place = /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  const refreshTools = addTools(figure, 'Accuracy against improvement', {
    name: 'pareto',
    columns: [
      ...['run', 'tile', 'stage', 'mark', 'accuracy'],
      ...['improvement paper', 'improvement lossless', 'improvement set cells'],
    ],
    rows: () => rows(store.getState()),
    json: () => ({ runs: reports(store.getState()), published: store.getState().published }),
    key: () =>
      'Grey: published runs of VGG11 on CIFAR-10; ' +
      `filled: fine-tuned, ${store.getState().hardware?.tile ?? 0} rows; empty: other crossbars; ` +
      'square: structured stage only; cross: diverged',
  });
  const draw = () => {
    const state = store.getState();
    const model = chosenModel();
    const tile = state.hardware?.tile ?? 0;
    const published = publishedPoints(state, model);
    const data = { published, paths: paths(state, model), tile, model: COUNTS[model] };
    const size = { width: Math.max(240, place.clientWidth), height: 340, theme: theme() };
    place.replaceChildren(paretoChart(data, size));
    if (published.length > 0) drawLegend(tile);
    else byId('pareto-legend').replaceChildren();
    const isComparable = state.spec?.data === 'cifar10';
    const notes = [];
    if (!isComparable) {
      notes.push(
        'This run learns the built-in images: its accuracy can’t be compared with that of the published runs.',
      );
    }
    if (model === 'cells') {
      notes.push(
        'Set cells are counted where weights are integers. The published runs come without weights.',
      );
    }
    byId('pareto-note').textContent = notes.join(' ');
    refreshTools();
  };
  const redraw = renderer.add(
    ({ runs, report, hardware, spec, published }) => [runs, report, hardware, spec, published],
    draw,
  );
  byId('pareto-model').addEventListener('change', redraw);
  store.subscribe(
    ({ hardware }) => hardware?.resolution ?? 'paper',
    (resolution) => {
      // Follows the chosen resolution, until the reader asks for the other count.
      const model = resolution === 'paper' ? 'paper' : 'lossless';
      /** @type {HTMLInputElement} */ (byId('pareto-model').querySelector(`[value=${model}]`)).checked = true;
    },
  );
}
