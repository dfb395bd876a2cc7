/** The list of runs to compare: their numbers, and controls to draw, rename and delete them. */

import { stagesOf } from '../runs/stages.js';
import { csv, json, save } from './download.js';
import { byId, ignoreReported, make } from './element.js';
import { lineStyles } from './theme.js';

/** @typedef {import('../types/messages').ComparedRun} ComparedRun */
/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../types/types').Report} Report */

const COLUMNS = [
  ...['run', 'data', 'network', 'regularizer', 'lambda', 'tile', 'seed', 'steps', 'stage'],
  ...['accuracy', 'improvement paper', 'improvement lossless', 'improvement set cells'],
];
const SOURCES = { kept: '', recorded: '', file: 'opened' };

/** @param {number | null} value @param {number} digits @param {string} unit */
const format = (value, digits, unit) => (value === null ? '–' : `${value.toFixed(digits)}${unit}`);

/** A row for each stage. @param {string} name @param {Report} report */
function rowsOf(name, report) {
  const { spec, training } = report;
  const { data, plan, regularizer, lambda, seed } = spec;
  return stagesOf(report).map(({ stage, accuracy, tile, paper, lossless, cells }) => {
    const run = [name, data, plan, regularizer, lambda, tile, seed, training.step];
    return [...run, stage, accuracy, paper, lossless, cells];
  });
}

/** @param {State} state */
function allRows({ report, runs }) {
  const current = report ? rowsOf('this run', report) : [];
  return [...current, ...runs.flatMap((run) => rowsOf(run.name, run.report))];
}

export class RunList {
  #api;
  #body = make('tbody');

  /** @param {import('../types/page').Page} page */
  constructor({ api, store, renderer }) {
    this.#api = api;
    const head = ['Drawn', 'Run', 'Accuracy', 'Paper', 'Lossless', 'Set cells', ''];
    const cells = head.map((text) =>
      make('th', { scope: 'col' }, text || make('span', { className: 'unseen', textContent: 'Actions' })),
    );
    const caption = make('caption', { className: 'unseen', textContent: 'Runs to compare' });
    byId('run-list').replaceChildren(
      make('table', {}, caption, make('thead', {}, make('tr', {}, ...cells)), this.#body),
    );
    byId('keep-run').addEventListener('click', () => ignoreReported(api.runs.keep()));
    byId('clear-runs').addEventListener('click', () => ignoreReported(api.runs.clear()));
    byId('runs-csv').addEventListener('click', () => {
      save(csv(COLUMNS, allRows(store.getState())), 'crossdub-runs.csv');
    });
    renderer.add(
      ({ runs, report }) => [runs, report],
      () => this.#draw(store.getState()),
    );
  }

  /** @param {State} state */
  #draw({ runs, report }) {
    // The focus stays on the control that changed the list.
    const focused =
      document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    const rows = runs.map((run) => this.#row(run));
    this.#body.replaceChildren(...(report ? [this.#currentRow(report)] : []), ...rows);
    const keep = /** @type {HTMLButtonElement} */ (byId('keep-run'));
    keep.disabled = !report || report.training.step === 0;
    const clear = /** @type {HTMLButtonElement} */ (byId('clear-runs'));
    clear.disabled = runs.every((run) => run.source === 'recorded');
    if (focused === undefined) return;
    const selector = `[data-key="${CSS.escape(focused)}"]`;
    /** @type {HTMLElement | null} */ (this.#body.querySelector(selector))?.focus();
  }

  /** @param {Report} report */
  #currentRow(report) {
    const { colour } = lineStyles()[0] ?? { colour: '' };
    return make(
      'tr',
      {},
      make('td', {}, lineSample(colour, '', 3)),
      make('th', { scope: 'row' }, 'This run'),
      ...numbers(report),
      make('td'),
    );
  }

  /** @param {ComparedRun} run */
  #row(run) {
    const { id, name, report, slot, source } = run;
    const check = make('input', { type: 'checkbox', checked: slot !== null, ariaLabel: `Draw ${name}` });
    check.dataset.key = `show ${id}`;
    check.addEventListener('change', () =>
      this.#api.runs.show(id, check.checked).catch(() => (check.checked = !check.checked)),
    );
    const line = slot === null ? undefined : lineStyles()[slot + 1];
    const sample = line ? lineSample(line.colour, line.dash, 2) : '';
    const drawn = make('td', {}, make('label', { className: 'drawn' }, check, sample));
    const head = make('th', { scope: 'row' }, this.#name(run));
    const actions = make('td', {}, ...this.#actions(run), SOURCES[source]);
    return make('tr', {}, drawn, head, ...numbers(report), actions);
  }

  /** @param {ComparedRun} run */
  #name({ id, name, source }) {
    if (source === 'recorded') return make('span', { textContent: name });
    const ariaLabel = `Name of ${name}`;
    const input = make('input', { value: name, ariaLabel, maxLength: 120, className: 'name' });
    input.addEventListener('change', () => {
      this.#api.runs.rename(id, input.value).catch(() => (input.value = name));
    });
    return input;
  }

  /** @param {ComparedRun} run */
  #actions({ id, name, report, source }) {
    const button = (/** @type {string} */ label, /** @type {() => void} */ onClick) => {
      const unseen = make('span', { className: 'unseen', textContent: ` ${name}` });
      const node = make('button', { type: 'button', className: 'quiet' }, label, unseen);
      node.addEventListener('click', onClick);
      return node;
    };
    const file = `crossdub-${name.replace(/[^\w.-]+/g, '-')}.json`;
    const download = button('JSON', () => save(json(report), file));
    if (source === 'recorded') return [download];
    const remove = () => this.#api.runs.remove(id).then(() => byId('keep-run').focus());
    return [download, button('Delete', () => ignoreReported(remove()))];
  }
}

/** @param {Report} report */
function numbers(report) {
  const last = stagesOf(report).at(-1);
  const times = (/** @type {number | null | undefined} */ value) => format(value ?? null, 2, '×');
  const texts = [
    format(last?.accuracy ?? null, 1, ' %'),
    ...[last?.paper, last?.lossless, last?.cells].map(times),
  ];
  return texts.map((textContent) => make('td', { textContent }));
}

/** A sample of a line in the charts. @param {string} colour @param {string} dash @param {number} width */
export function lineSample(colour, dash, width) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'sample');
  svg.setAttribute('viewBox', '0 0 30 8');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  const attributes = { d: 'M0 4h30', stroke: colour, 'stroke-width': width, 'stroke-dasharray': dash };
  for (const [name, value] of Object.entries(attributes)) path.setAttribute(name, String(value));
  svg.append(path);
  return svg;
}
