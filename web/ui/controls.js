/** The settings, and start, pause, step and reset. They use `window.crossdub` only. */

import { byId, ignoreReported, make } from './element.js';

/** @typedef {HTMLInputElement | HTMLSelectElement} Control */
/** @typedef {import('../types/page').Page} Page */
/** @typedef {import('../types/messages').State} State */

/** Suggestions: a crossbar may have any number of rows that `set` takes. */
const TILES = ['16', '32', '64', '128', '256'];

/** Whether JavaScript has the number exactly as it is written. @param {string} text */
function isExact(text) {
  const number = Number(text);
  return text !== '' && Number.isFinite(number) && (!/^\d+$/.test(text) || Number.isSafeInteger(number));
}

/** @param {Control} control */
function valueOf(control) {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
  const text = control.value.trim();
  if (control.dataset.type === 'list') {
    const parts = text === '' ? [] : text.split(/\s*,\s*|\s+/);
    return parts.every(isExact) ? parts.map(Number) : text;
  }
  // Anything except an exact number is passed as text, so that the error quotes it.
  const isNumber = control.type === 'number' || control.dataset.type === 'number';
  return isNumber && isExact(text) ? Number(text) : text;
}

/** What a control displays. @param {Control} control */
const textOf = (control) =>
  control instanceof HTMLInputElement && control.type === 'checkbox'
    ? String(control.checked)
    : control.value;

/** @param {Control} control @param {unknown} value */
function show(control, value) {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') {
    control.checked = Boolean(value);
    return;
  }
  const text = String(value);
  if (control instanceof HTMLSelectElement && ![...control.options].some((option) => option.value === text)) {
    control.append(make('option', { value: text, textContent: text }));
  }
  control.value = text;
}

export class Controls {
  #api;
  #form = /** @type {HTMLFormElement} */ (byId('controls'));
  /** What each control displayed when the page last wrote or read it. @type {Map<Control, string>} */
  #seen = new Map();

  /** @param {Page} page */
  constructor({ api, store }) {
    this.#api = api;
    this.#fill({ tile: TILES });
    store.subscribe(
      ({ schema }) => schema,
      (schema) =>
        schema && this.#fill({ model: schema.options.model, regularizer: schema.options.regularizer }),
    );
    store.subscribe(
      ({ spec, hardware, run }) => [spec, hardware, run],
      () => this.#show(store.getState()),
    );
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    // Some of the form's controls are elsewhere on the page.
    document.addEventListener('change', ({ target }) => {
      if (!(target instanceof HTMLElement) || !('form' in target) || target.form !== this.#form) return;
      void this.#set(/** @type {Control} */ (target), store);
    });
    foldOnSmallWindows();
    unfoldMore();
  }

  /** @param {Record<string, string[]>} names the options of select controls */
  #fill(names) {
    for (const [name, values] of Object.entries(names)) {
      const options = values.map((value) =>
        make('option', { value, textContent: value, disabled: value === 'custom' }),
      );
      /** @type {HTMLSelectElement} */ (this.#form.elements.namedItem(name)).replaceChildren(...options);
    }
  }

  /** Every named control of the form. `data-needs` names the one without which a control has no effect. */
  #controls() {
    return /** @type {Control[]} */ ([...this.#form.elements].filter((element) => 'name' in element));
  }

  /** @param {Control} control @param {import('../state/store.js').Store} store */
  async #set(control, store) {
    const value = valueOf(control);
    this.#seen.set(control, textOf(control));
    const emptied =
      value === '' ? this.#controls().filter(({ dataset }) => dataset.needs === control.name) : [];
    try {
      await this.#api.set({
        [control.name]: value,
        ...Object.fromEntries(emptied.map((other) => [other.name, other.type === 'checkbox' ? false : ''])),
      });
      clearError(control);
    } catch {
      // The error is reported elsewhere. A text stays, to be corrected; a choice returns to its value.
      if (control instanceof HTMLSelectElement || control.type === 'checkbox') this.#show(store.getState());
      else markError(control);
    }
  }

  /** Whether someone is typing into it, or has to correct it. @param {Control} control */
  #isEdited(control) {
    if (control !== document.activeElement) return false;
    const isTyped = this.#seen.has(control) && this.#seen.get(control) !== textOf(control);
    return isTyped || control.getAttribute('aria-invalid') === 'true';
  }

  /** @param {State} state */
  #show({ spec, hardware }) {
    if (!spec || !hardware) return;
    const values = /** @type {Record<string, unknown>} */ ({ ...spec, ...hardware });
    for (const control of this.#controls()) {
      const value = values[control.name];
      const { needs } = control.dataset;
      if (needs !== undefined) control.disabled = values[needs] === '';
      if (value === undefined || this.#isEdited(control)) continue;
      show(control, value);
      this.#seen.set(control, textOf(control));
      clearError(control);
    }
  }
}

/** @param {Control} control */
function clearError(control) {
  control.removeAttribute('aria-invalid');
  control.removeAttribute('aria-describedby');
}

/** @param {Control} control */
function markError(control) {
  control.setAttribute('aria-invalid', 'true');
  control.setAttribute('aria-describedby', 'messages');
}

/** On a phone the settings are folded at first; on a wide window they can't be. */
function foldOnSmallWindows() {
  const small = matchMedia('(max-width: 760px)');
  const settings = /** @type {HTMLDetailsElement} */ (document.querySelector('.settings'));
  const fold = () => (settings.open = !small.matches);
  small.addEventListener('change', fold);
  fold();
}

/** The settings that rarely change. */
function unfoldMore() {
  const more = byId('more');
  more.addEventListener('click', () => {
    const fields = byId('more-fields');
    fields.hidden = !fields.hidden;
    more.setAttribute('aria-expanded', String(!fields.hidden));
    more.textContent = fields.hidden ? 'More…' : 'Less';
  });
}

/** Start, pause, step, reset. @param {Page} page */
export function transport({ api, store }) {
  const run = /** @type {HTMLButtonElement} */ (byId('run'));
  const step = /** @type {HTMLButtonElement} */ (byId('one-step'));
  const reset = /** @type {HTMLButtonElement} */ (byId('reset'));
  run.addEventListener('click', () => ignoreReported(store.getState().running ? api.pause() : api.start()));
  step.addEventListener('click', () => ignoreReported(api.step()));
  reset.addEventListener('click', () => ignoreReported(api.reset()));
  store.subscribe(
    (state) => [state.running, state.run !== null, Boolean(state.progress?.finished)],
    ([running = false, hasRun = false, isFinished = false]) => {
      run.toggleAttribute('data-running', running);
      run.lastElementChild?.replaceChildren(running ? 'Pause' : 'Start');
      run.disabled = !hasRun || (!running && isFinished);
      step.disabled = run.disabled;
      reset.disabled = !hasRun;
    },
  );
}
