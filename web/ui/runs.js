/** The list of runs to compare: shown or not, their numbers, their names, and the way to forget them. */

import { stagesOf } from '../runs/stages.js';
import { lines } from './theme.js';
import { csv, json, save } from './download.js';
import { byId, make } from './element.js';

/** @typedef {import('../types/messages').ComparedRun} ComparedRun */
/** @typedef {import('../types/types').Report} Report */
/** @typedef {ReturnType<import('../api/api.js').makeApi>} Api */

const COLUMNS = [
  'run',
  'data',
  'network',
  'regularizer',
  'lambda',
  'tile',
  'seed',
  'steps',
  'stage',
  'accuracy',
  'improvement paper',
  'improvement lossless',
];
const SOURCES = { kept: '', recorded: '', file: 'opened' };

/** A refusal is said by `crossdub:error`. @param {Promise<unknown>} promise */
const quietly = (promise) => void promise.catch(() => undefined);

/** @param {number | null} value @param {number} digits @param {string} unit */
const shown = (value, digits, unit) => (value === null ? '–' : `${value.toFixed(digits)}${unit}`);

/** One row a stage. @param {string} name @param {Report} report */
function rowsOf(name, report) {
  const { spec, hardware, training } = report;
  return stagesOf(report).map(({ stage, accuracy, paper, lossless }) => [
    name,
    spec.data,
    spec.plan,
    spec.regularizer,
    spec.lambda,
    hardware.tile,
    spec.seed,
    training.step,
    stage,
    accuracy,
    paper,
    lossless,
  ]);
}

export class RunList {
  #api;
  #session;
  #body = make('tbody');

  /** @param {Api} api @param {import('../state/session.js').Session} session */
  constructor(api, session) {
    this.#api = api;
    this.#session = session;
    const head = ['Drawn', 'Run', 'Accuracy', 'Paper', 'Lossless', ''];
    const cells = head.map((text) =>
      make('th', { scope: 'col' }, text || make('span', { className: 'unseen', textContent: 'Actions' })),
    );
    const table = make(
      'table',
      {},
      make('caption', { className: 'unseen', textContent: 'Runs to compare' }),
      make('thead', {}, make('tr', {}, ...cells)),
      this.#body,
    );
    byId('run-list').replaceChildren(table);
    byId('keep-run').addEventListener('click', () => quietly(this.#keep()));
    byId('clear-runs').addEventListener('click', () => quietly(api.runs.clear()));
    byId('runs-csv').addEventListener('click', () => save(csv(COLUMNS, this.#all()), 'crossdub-runs.csv'));
    session.runs.addEventListener('change', () => this.draw());
  }

  async #keep() {
    await this.#api.runs.keep();
    byId('keep-run').focus();
  }

  #all() {
    const { report } = this.#session.state;
    const present = report ? rowsOf('this run', report) : [];
    return [...present, ...this.#session.runs.list.flatMap((run) => rowsOf(run.name, run.report))];
  }

  draw() {
    // The focus stays on the control that changed the list.
    const focused =
      document.activeElement instanceof HTMLElement ? document.activeElement.dataset.key : undefined;
    const { runs, state } = this.#session;
    const rows = runs.list.map((run) => this.#row(run));
    const present = state.report ? [this.#present(state.report)] : [];
    this.#body.replaceChildren(...present, ...rows);
    /** @type {HTMLButtonElement} */ (byId('keep-run')).disabled =
      !state.report || state.report.training.step === 0;
    const own = runs.list.some((run) => run.source !== 'recorded');
    /** @type {HTMLButtonElement} */ (byId('clear-runs')).disabled = !own;
    if (focused)
      /** @type {HTMLElement | null} */ (
        this.#body.querySelector(`[data-key="${CSS.escape(focused)}"]`)
      )?.focus();
  }

  /** @param {Report} report */
  #present(report) {
    const { colour } = lines()[0] ?? { colour: '' };
    return make(
      'tr',
      {},
      make('td', {}, sample(colour, '', 3)),
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
    const line = slot === null ? undefined : lines()[slot + 1];
    const drawn = make(
      'td',
      {},
      make('label', { className: 'drawn' }, check, line ? sample(line.colour, line.dash, 2) : ''),
    );
    return make(
      'tr',
      {},
      drawn,
      make('th', { scope: 'row' }, this.#name(run)),
      ...numbers(report),
      make('td', {}, ...this.#actions(run), SOURCES[source]),
    );
  }

  /** @param {ComparedRun} run */
  #name({ id, name, source }) {
    if (source === 'recorded') return make('span', { textContent: name });
    const input = make('input', {
      value: name,
      ariaLabel: `Name of ${name}`,
      maxLength: 120,
      className: 'name',
    });
    input.addEventListener('change', () =>
      this.#api.runs.rename(id, input.value).catch(() => (input.value = name)),
    );
    return input;
  }

  /** @param {ComparedRun} run */
  #actions({ id, name, report, source }) {
    const button = (/** @type {string} */ label, /** @type {() => void} */ act) => {
      const it = make(
        'button',
        { type: 'button', className: 'quiet' },
        label,
        make('span', { className: 'unseen', textContent: ` ${name}` }),
      );
      it.addEventListener('click', act);
      return it;
    };
    const report_ = button('JSON', () =>
      save(json(report), `crossdub-${name.replace(/[^\w.-]+/g, '-')}.json`),
    );
    if (source === 'recorded') return [report_];
    return [
      report_,
      button('Delete', () => quietly(this.#api.runs.remove(id).then(() => byId('keep-run').focus()))),
    ];
  }
}

/** @param {Report} report */
function numbers(report) {
  const last = stagesOf(report).at(-1);
  const cells = last
    ? [shown(last.accuracy, 1, ' %'), shown(last.paper, 2, '×'), shown(last.lossless, 2, '×')]
    : ['–', '–', '–'];
  return cells.map((textContent) => make('td', { textContent }));
}

/** A piece of the line that the charts draw. @param {string} colour @param {string} dash @param {number} width */
export function sample(colour, dash, width) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'sample');
  svg.setAttribute('viewBox', '0 0 30 8');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  for (const [name, value] of Object.entries({
    d: 'M0 4h30',
    stroke: colour,
    'stroke-width': width,
    'stroke-dasharray': dash,
  }))
    path.setAttribute(name, String(value));
  svg.append(path);
  return svg;
}
