/** The knobs of pruning, and the way on from there: prune, fine-tune, undo. They use `crossdub` and nothing else. */

import { stepsTaken } from '../state/known.js';
import { MAX_STRENGTH, RULES } from '../state/pruning.js';
import { byId, make } from './element.js';
import { percent, times } from './words.js';

/** @typedef {ReturnType<import('../api/api.js').makeApi>} Api */
/** @typedef {import('../state/session.js').Session} Session */
/** @typedef {import('../types/types').PruneChoice} PruneChoice */
/** @typedef {import('../types/types').Stage} Stage */

/** The slider for a target goes by powers of this, from 1 to about 16. */
const TARGET_STEP = 1.01;
const TARGET_STEPS = 280;
/** A slider that rested this long is meant: what the pruning costs in accuracy is then measured. */
const REST_MS = 400;

/** A refusal is said by `crossdub:error`. @param {Promise<unknown>} promise */
const quietly = (promise) => void promise.catch(() => undefined);

/** @param {number} position */
const targetAt = (position) => Number((TARGET_STEP ** position).toFixed(2));
/** @param {number} target */
const positionOf = (target) => Math.round(Math.log(target) / Math.log(TARGET_STEP));

/** @type {Record<Stage['kind'], string>} */
const KINDS = { train: 'trained', prune: 'pruned', finetune: 'fine-tuned' };

export class PrunePanel {
  #api;
  #session;
  #slider = /** @type {HTMLInputElement} */ (byId('strength'));
  /** @type {Partial<PruneChoice> | null} what is asked for while the last choice is being drawn */
  #next = null;
  #drawing = false;
  #resting = 0;

  /** @param {Api} api @param {Session} session */
  constructor(api, session) {
    this.#api = api;
    this.#session = session;
    this.#slider.addEventListener('input', () => this.#slide());
    byId('rule').addEventListener('change', (event) => {
      const { value } = /** @type {HTMLInputElement} */ (event.target);
      void this.#choose(/** @type {PruneChoice['rule']} */ (value));
    });
    byId('prune').addEventListener('click', () => quietly(api.prune()));
    byId('undo').addEventListener('click', () => quietly(api.undo()));
    byId('finetune').addEventListener('click', () =>
      quietly(api.finetune({ epochs: /** @type {number} */ (this.#epochs()) })),
    );
    for (const type of ['opened', 'change', 'choice', 'running', 'turn', 'report', 'view', 'progress'])
      session.addEventListener(type, () => this.follow());
    for (const type of ['view', 'running', 'turn', 'change'])
      session.addEventListener(type, () => this.#tryOutLater());
  }

  /** @param {PruneChoice['rule']} rule */
  async #choose(rule) {
    // The last target may be out of reach for these weights: a budget that saves nothing never is, and the slider goes on from there.
    const unreached = (/** @type {import('../api/errors.js').CrossdubError} */ refused) =>
      refused.field === 'target' ? this.#api.set({ rule, target: 1 }) : undefined;
    await this.#api
      .set({ rule })
      .catch(unreached)
      .catch(() => undefined);
    this.follow();
  }

  #epochs() {
    const { value } = /** @type {HTMLInputElement} */ (byId('finetune-epochs'));
    return value === '' ? value : Number(value);
  }

  /** A slider is faster than the previews: only the latest value counts. */
  async #slide() {
    const position = this.#slider.valueAsNumber;
    this.#next =
      this.#session.state.choice.rule === 'budget' ? { target: targetAt(position) } : { strength: position };
    this.#show({ ...this.#session.state.choice, ...this.#next });
    if (this.#drawing) return;
    this.#drawing = true;
    while (this.#next !== null) {
      const fields = this.#next;
      this.#next = null;
      await this.#api.set(fields).catch(() => undefined);
    }
    this.#drawing = false;
    // Back to the last one that could be had.
    this.follow();
  }

  /** Measures the accuracy of the previewed pruning, while nothing else is going on. */
  #tryOutLater() {
    clearTimeout(this.#resting);
    const { state } = this.#session;
    const idle = !state.running && !state.dropped && state.opened && stepsTaken(state) > 0;
    if (!idle || stageNow(state) !== 'train' || state.trial) return;
    this.#resting = window.setTimeout(() => void this.#session.tryOut().catch(() => undefined), REST_MS);
  }

  /** @param {PruneChoice} choice */
  #show({ rule, strength, target }) {
    const budget = rule === 'budget';
    const text = budget ? `${target.toFixed(2)}×` : `${Number(strength.toFixed(1))} %`;
    byId('strength-words').textContent = budget ? 'If pruned now, to save' : 'If pruned now, at strength';
    byId('strength-value').textContent = text;
    this.#slider.setAttribute('aria-valuetext', text);
  }

  follow() {
    const { state } = this.#session;
    const { choice } = state;
    const stage = stageNow(state);
    const chosen = /** @type {HTMLInputElement | null} */ (
      document.querySelector(`#rule input[value="${choice.rule}"]`)
    );
    if (chosen) chosen.checked = true;
    byId('rule').title = RULES[choice.rule];
    if (!this.#drawing) {
      const budget = choice.rule === 'budget';
      Object.assign(this.#slider, {
        min: '0',
        max: String(budget ? TARGET_STEPS : MAX_STRENGTH),
        step: budget ? '1' : '0.1',
      });
      this.#slider.value = String(budget ? positionOf(choice.target) : choice.strength);
      this.#show(choice);
    }
    const pruned = stage !== 'train' && !state.dropped;
    byId('choose-pruning').hidden = pruned || state.shown !== null;
    byId('pruning-buttons').hidden = Boolean(state.dropped);
    const disable = (/** @type {string} */ id, /** @type {boolean} */ disabled) => {
      /** @type {HTMLButtonElement} */ (byId(id)).disabled = disabled;
    };
    disable('prune', !state.opened || pruned || stepsTaken(state) === 0);
    disable('finetune', !pruned || state.running);
    disable('undo', !pruned);
    for (const id of ['finetune', 'undo']) byId(id).hidden = !pruned;
    byId('prune').hidden = pruned;
    /** @type {HTMLElement} */ (byId('finetune-epochs').parentElement).hidden = !pruned;
    this.#drawStages(state.dropped ? (state.shown?.stages ?? []) : state.stages);
  }

  /** @param {Stage[]} stages */
  #drawStages(stages) {
    const table = byId('stages');
    table.hidden = stages.length < 2;
    if (table.hidden) return;
    const head = ['Stage', 'Accuracy', 'Paper', 'Lossless'].map((text) =>
      make('th', { scope: 'col', textContent: text }),
    );
    const rows = stages.map(({ kind, accuracy, energy }) => {
      const cells = [
        accuracy === null ? '–' : percent(accuracy),
        times(energy.paper.improvement),
        times(energy.lossless.improvement),
      ];
      return make(
        'tr',
        {},
        make('th', { scope: 'row', textContent: KINDS[kind] }),
        ...cells.map((textContent) => make('td', { textContent })),
      );
    });
    const caption = make('caption', { className: 'unseen', textContent: 'Stages of this run' });
    table.replaceChildren(caption, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
  }
}

/** Where in the story the run is. @param {Session['state']} state @returns {Stage['kind']} */
export function stageNow({ stages }) {
  return stages.at(-1)?.kind ?? 'train';
}
