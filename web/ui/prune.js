/** The pruning settings, and the stages after training: prune, fine-tune, undo. They use `window.crossdub` only. */

import { currentStage, isReportOpen, totalSteps } from '../state/selectors.js';
import { hasTarget } from '../state/pruning.js';
import { byId, ignoreReported, make } from './element.js';
import { percent, times } from './format.js';

/** @typedef {import('../types/page').Page} Page */
/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../types/types').PruneSettings} PruneSettings */
/** @typedef {import('../types/types').Stage} Stage */

/** The target slider moves in powers of this base: to about 16 for whole rows, to about 50 for set cells. */
const TARGET_BASE = 1.01;
const TARGET_STEPS = { budget: 280, 'bit-planes': 395 };
/** After the slider has rested this long, the accuracy of the preview is measured. */
const REST_MS = 400;

/** @type {Record<PruneSettings['rule'], string>} */
const RULES = {
  exact: 'Each column keeps exactly as many of its largest weights as its tile’s level allows.',
  paper: 'The authors’ code: an interpolated percentile for each column, which can miss its level.',
  budget:
    'Each tile gets the level that loses least for the energy it saves, until the paper’s count meets the target.',
  'bit-planes':
    'Layers get a precision, each slice of a tile a limit on set cells, so that the lossless count meets the target.',
};

/** @type {Record<Stage['kind'], string>} */
const STAGES = { train: 'trained', prune: 'pruned', finetune: 'fine-tuned' };

/** @param {number} position */
const targetAt = (position) => Number((TARGET_BASE ** position).toFixed(2));
/** @param {number} target */
const positionOf = (target) => Math.round(Math.log(target) / Math.log(TARGET_BASE));

export class PrunePanel {
  #api;
  #client;
  #store;
  #slider = /** @type {HTMLInputElement} */ (byId('strength'));
  /** What the slider asks for while the last preview is computed. @type {Partial<PruneSettings> | null} */
  #next = null;
  #isBusy = false;
  #timer = 0;

  /** @param {Page} page */
  constructor({ api, client, store }) {
    this.#api = api;
    this.#client = client;
    this.#store = store;
    this.#slider.addEventListener('input', () => void this.#slide());
    byId('rule').addEventListener('change', (event) => {
      const { value } = /** @type {HTMLInputElement} */ (event.target);
      void this.#setRule(/** @type {PruneSettings['rule']} */ (value));
    });
    byId('prune').addEventListener('click', () => ignoreReported(api.prune()));
    byId('undo').addEventListener('click', () => ignoreReported(api.undo()));
    byId('finetune').addEventListener('click', () => {
      // An empty input is passed as text, so that the error quotes it.
      const { value } = /** @type {HTMLInputElement} */ (byId('finetune-epochs'));
      const epochs = /** @type {number} */ (value === '' ? value : Number(value));
      ignoreReported(api.finetune({ epochs }));
    });
    store.subscribe(
      (state) => {
        const { pruning, schema, file, stages, run, running } = state;
        return [pruning, schema, file, stages, run, running, totalSteps(state) > 0];
      },
      () => this.#update(),
    );
    store.subscribe(
      ({ view, running, stages, file, pruning, hardware }) => [
        view,
        running,
        stages,
        file,
        pruning,
        hardware,
      ],
      () => this.#evaluateLater(),
    );
  }

  /** @param {PruneSettings['rule']} rule */
  async #setRule(rule) {
    const note = byId('strength-note');
    const before = note.textContent;
    // A large network takes seconds until the preview draws again.
    if (rule === 'bit-planes') note.textContent = 'Choosing bits and set cells…';
    await this.#api.set({ rule }).catch((/** @type {import('../api/errors.js').CrossdubError} */ error) => {
      // These weights may not reach the last target; a target of 1 can always be met.
      if (error.field === 'target') ignoreReported(this.#api.set({ rule, target: 1 }));
      else note.textContent = before;
    });
    this.#update();
  }

  /** A slider is faster than the previews: only the latest value counts. */
  async #slide() {
    const { pruning } = this.#store.getState();
    if (!pruning) return;
    const position = this.#slider.valueAsNumber;
    this.#next = hasTarget(pruning) ? { target: targetAt(position) } : { strength: position };
    this.#showSettings({ ...pruning, ...this.#next });
    if (this.#isBusy) return;
    this.#isBusy = true;
    while (this.#next !== null) {
      const fields = this.#next;
      this.#next = null;
      await this.#api.set(fields).catch(() => undefined);
    }
    this.#isBusy = false;
    // Returns to the last valid value.
    this.#update();
  }

  /** Measures the accuracy of the preview while the page is idle. */
  #evaluateLater() {
    clearTimeout(this.#timer);
    const state = this.#store.getState();
    const isIdle = !state.running && !state.file && state.run !== null && totalSteps(state) > 0;
    if (!isIdle || currentStage(state) !== 'train' || state.previewEvaluation) return;
    this.#timer = window.setTimeout(() => ignoreReported(this.#client.evaluatePreview()), REST_MS);
  }

  /** @param {PruneSettings} pruning */
  #showSettings({ rule, strength, target }) {
    const isTarget = hasTarget({ rule });
    const text = isTarget ? `${target.toFixed(2)}×` : `${Number(strength.toFixed(1))} %`;
    byId('strength-words').textContent = isTarget ? 'If pruned now, to save' : 'If pruned now, at strength';
    byId('strength-value').textContent = text;
    this.#slider.setAttribute('aria-valuetext', text);
  }

  #update() {
    const state = this.#store.getState();
    this.#updateSettings(state);
    const { file, run, running, stages } = state;
    const isPruned = currentStage(state) !== 'train' && !file;
    byId('choose-pruning').hidden = isPruned || isReportOpen(state);
    byId('pruning-buttons').hidden = file !== null;
    setDisabled('prune', run === null || isPruned || totalSteps(state) === 0);
    setDisabled('finetune', !isPruned || running);
    setDisabled('undo', !isPruned);
    byId('prune').hidden = isPruned;
    for (const id of ['finetune', 'undo']) byId(id).hidden = !isPruned;
    /** @type {HTMLElement} */ (byId('finetune-epochs').parentElement).hidden = !isPruned;
    drawStages(file ? file.stages : stages);
  }

  /** @param {State} state */
  #updateSettings({ pruning, schema }) {
    if (!pruning || !schema) return;
    const { rule, strength, target } = pruning;
    const radio = /** @type {HTMLInputElement | null} */ (
      document.querySelector(`#rule input[value="${rule}"]`)
    );
    if (radio) radio.checked = true;
    byId('rule').title = RULES[rule];
    if (this.#isBusy) return;
    const { min, max } = schema.ranges.strength;
    const slider =
      rule === 'budget' || rule === 'bit-planes'
        ? { min: 0, max: TARGET_STEPS[rule], step: 1, value: positionOf(target) }
        : { min, max, step: 0.1, value: strength };
    for (const [name, value] of Object.entries(slider))
      Object.assign(this.#slider, { [name]: String(value) });
    this.#showSettings(pruning);
  }
}

/** @param {string} id @param {boolean} isDisabled */
function setDisabled(id, isDisabled) {
  /** @type {HTMLButtonElement} */ (byId(id)).disabled = isDisabled;
}

/** @param {Stage[]} stages */
function drawStages(stages) {
  const table = byId('stages');
  table.hidden = stages.length < 2;
  if (table.hidden) return;
  const hasCells = stages.some(({ energy }) => energy.lossless_sliced);
  const names = ['Stage', 'Accuracy', 'Paper', 'Lossless', ...(hasCells ? ['Set cells'] : [])];
  const head = names.map((textContent) => make('th', { scope: 'col', textContent }));
  const rows = stages.map(({ kind, accuracy, energy, hardware }) => {
    const values = [
      times(energy.paper.improvement),
      times(energy.lossless.improvement),
      ...(hasCells ? [energy.lossless_sliced ? times(energy.lossless_sliced.improvement) : '–'] : []),
    ];
    // On other hardware since: what the stage had saved there is no figure of this one.
    const title = hardware ? 'Measured on other crossbars, before they were changed' : '';
    const cells = [
      make('td', { textContent: accuracy === null ? '–' : percent(accuracy) }),
      ...values.map((value) => make('td', { textContent: hardware ? '–' : value, title })),
    ];
    return make('tr', {}, make('th', { scope: 'row', textContent: STAGES[kind] }), ...cells);
  });
  const caption = make('caption', { className: 'unseen', textContent: 'Stages of this run' });
  table.replaceChildren(caption, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
}
