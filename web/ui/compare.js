/** The Pareto chart: what each run keeps in accuracy for what it saves, with the published runs behind. */

import { paretoChart } from '../charts/pareto.js';
import { stagesOf } from '../runs/stages.js';
import { lines, theme } from './theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';

/** @typedef {import('../state/session.js').Session} Session */
/** @typedef {import('../runs/stages.js').Model} Model */
/** @typedef {import('../types/types').Published} Published */
/** @typedef {import('../types/types').PublishedRun} PublishedRun */
/** @typedef {import('../charts/pareto.js').RunPath} RunPath */

const KINDS = { full: '', structured: 'structured stage only', diverged: 'diverged' };

/** @param {string} path of the mark, in a box of 12 @param {boolean} filled @param {string} text */
function key(path, filled, text) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '-6 -6 12 12');
  svg.setAttribute('aria-hidden', 'true');
  const mark = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  for (const [name, value] of Object.entries({
    d: path,
    fill: filled ? 'currentColor' : 'none',
    stroke: 'currentColor',
    'stroke-width': '1.4',
  }))
    mark.setAttribute(name, value);
  svg.append(mark);
  return make('span', { className: 'key' }, svg, text);
}

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
  return chosen?.value === 'lossless' ? 'lossless' : 'paper';
}

/** What a published run saves by a model. @param {Published | null} published @param {PublishedRun} run @param {string} model */
function improvementOf(published, run, model) {
  const at = published?.models.findIndex((known) => known.model === model) ?? -1;
  return run.improvement[at] ?? null;
}

/**
 * The stages that have both numbers, as the chart takes them.
 * @param {import('../types/types').Report} report @param {Model} model
 */
function drawable(report, model) {
  return stagesOf(report).flatMap(({ stage, accuracy, [model]: improvement }) =>
    accuracy === null || improvement === null ? [] : [{ stage, accuracy, improvement }],
  );
}

/** @param {Session} session @param {Model} model @returns {RunPath[]} */
function paths({ state, runs }, model) {
  const colours = lines();
  const of = (/** @type {number} */ at) => colours[at] ?? { colour: '', dash: '' };
  const others = runs.shown.map(({ name, report, slot }) => ({
    name,
    ...of((slot ?? 0) + 1),
    current: false,
    stages: drawable(report, model),
  }));
  const { report } = state;
  if (!report) return others;
  return [...others, { name: 'this run', ...of(0), current: true, stages: drawable(report, model) }];
}

/**
 * @param {Session} session
 * @returns {() => void} draws
 */
export function compare(session) {
  const { state } = session;
  const figure = byId('pareto');
  const place = /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  const runs = () => state.published?.runs ?? [];
  const reports = () => {
    const others = session.runs.shown.map(({ name, report }) => ({ name, report }));
    return state.report ? [{ name: 'this run', report: state.report }, ...others] : others;
  };
  const follow = addTools(figure, 'Accuracy against improvement', {
    name: 'pareto',
    columns: ['run', 'tile', 'stage', 'mark', 'accuracy', 'improvement paper', 'improvement lossless'],
    rows: () => [
      ...reports().flatMap(({ name, report }) =>
        stagesOf(report).map(({ stage, accuracy, paper, lossless }) => [
          name,
          report.hardware.tile,
          stage,
          '',
          accuracy,
          paper,
          lossless,
        ]),
      ),
      ...runs().map((run) => [
        `${run.dataset}, ${run.method} (published)`,
        run.tile,
        'fine-tuned',
        KINDS[run.kind],
        run.accuracy,
        improvementOf(state.published, run, 'paper'),
        improvementOf(state.published, run, 'lossless'),
      ]),
    ],
    json: () => ({ runs: reports(), published: state.published }),
    key: () =>
      `Grey: published runs of VGG11 on CIFAR-10; filled: fine-tuned, ${state.hardware?.tile ?? 0} rows; empty: other crossbars; square: structured stage only; cross: diverged`,
  });
  const draw = () => {
    const model = chosenModel();
    const tile = state.hardware?.tile ?? 0;
    const published = runs()
      .filter((run) => run.dataset === 'CIFAR-10')
      .flatMap((run) => {
        const improvement = improvementOf(state.published, run, model);
        const { kind, accuracy } = run;
        const label = `Published: ${run.method}, ${run.tile} rows${KINDS[kind] && `, ${KINDS[kind]}`}`;
        return improvement === null ? [] : [{ kind, tile: run.tile, accuracy, improvement, label }];
      });
    const size = { width: Math.max(240, place.clientWidth), height: 340, theme: theme() };
    place.replaceChildren(paretoChart({ published, paths: paths(session, model), tile, model }, size));
    drawLegend(tile);
    const same = state.spec?.data === 'cifar10';
    byId('pareto-note').textContent = same
      ? ''
      : 'The present run learns the built-in images: its accuracy does not compare with that of the published runs.';
    follow();
  };
  byId('pareto-model').addEventListener('change', draw);
  let resolution = '';
  session.addEventListener('change', () => {
    // The chosen resolution decides here too, until the reader asks for the other count.
    const now = state.hardware?.resolution ?? '';
    if (now === resolution) return;
    resolution = now;
    const count = now === 'paper' ? 'paper' : 'lossless';
    /** @type {HTMLInputElement} */ (byId('pareto-model').querySelector(`[value=${count}]`)).checked = true;
    draw();
  });
  return draw;
}
