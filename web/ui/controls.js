/** The knobs. They use `crossdub.set` and nothing else. */

import { byId, make } from './element.js';

/** @typedef {HTMLInputElement | HTMLSelectElement} Control */
/** @typedef {ReturnType<import('../api/api.js').makeApi>} Api */

const OPTIONS = {
  tile: ['16', '32', '64', '128', '256'],
  model: [
    'vgg-small',
    'vgg11',
    'vgg13',
    'vgg16',
    'vgg-small_bn',
    'vgg11_bn',
    'vgg13_bn',
    'vgg16_bn',
    'custom',
  ],
  regularizer: [
    'none',
    'gated',
    'ungated',
    'mean-and-variance',
    'mean-and-gated-variance',
    'group-lasso-tile',
    'group-lasso-row',
    'group-lasso-column',
  ],
};

/** Whether a text is a number that JavaScript has as it is written. @param {string} text */
function isExact(text) {
  const number = Number(text);
  return text !== '' && Number.isFinite(number) && (!/^\d+$/.test(text) || Number.isSafeInteger(number));
}

/** @param {Control} control */
function valueOf(control) {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') return control.checked;
  const text = control.value.trim();
  if (control.dataset.type === 'list') return text === '' ? [] : text.split(/[\s,]+/).map(Number);
  // What is no number, or is rounded as one, goes as it is: the refusal then quotes it.
  if (control.type === 'number' || control.dataset.type === 'number')
    return isExact(text) ? Number(text) : text;
  return text;
}

/** @param {Control} control @param {unknown} value */
function show(control, value) {
  if (control instanceof HTMLInputElement && control.type === 'checkbox') control.checked = Boolean(value);
  else {
    const text = String(value);
    if (
      control instanceof HTMLSelectElement &&
      ![...control.options].some((option) => option.value === text)
    ) {
      control.append(make('option', { value: text, textContent: text }));
    }
    control.value = text;
  }
}

export class Controls {
  #api;
  #form = /** @type {HTMLFormElement} */ (byId('controls'));

  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
    for (const [name, values] of Object.entries(OPTIONS)) {
      const options = values.map((value) =>
        make('option', { value, textContent: value, disabled: value === 'custom' }),
      );
      /** @type {HTMLSelectElement} */ (this.#form.elements.namedItem(name)).replaceChildren(...options);
    }
    this.#form.addEventListener('submit', (event) => event.preventDefault());
    // Some of its controls stand elsewhere on the page.
    document.addEventListener('change', ({ target }) => {
      if (target instanceof HTMLElement && 'form' in target && target.form === this.#form)
        void this.#changed(/** @type {Control} */ (target));
    });
    foldOnSmallWindows();
    unfoldMore();
  }

  /** @returns {Control[]} */
  #controls() {
    return /** @type {Control[]} */ (
      [...this.#form.elements].filter((element) => 'name' in element && element.name)
    );
  }

  /** @param {Control} control */
  async #changed(control) {
    try {
      await this.#api.set({ [control.name]: valueOf(control) });
      this.#clear(control);
    } catch {
      // Said by `crossdub:error`. A text stays for the user to put right; what was chosen from a list goes back.
      if (control instanceof HTMLSelectElement || control.type === 'checkbox') this.follow(this.#api.spec());
      else this.#mark(control);
    }
  }

  /** @param {Control} control */
  #clear(control) {
    control.removeAttribute('aria-invalid');
    control.removeAttribute('aria-describedby');
  }

  /** @param {Control} control */
  #mark(control) {
    control.setAttribute('aria-invalid', 'true');
    control.setAttribute('aria-describedby', 'messages');
  }

  /** @param {import('../types/types').RunSpec & import('../types/types').HardwareSpec} spec */
  follow(spec) {
    for (const control of this.#controls()) {
      const value = spec[/** @type {keyof typeof spec} */ (control.name)];
      const writing = control === document.activeElement && control.getAttribute('aria-invalid') === 'true';
      if (value === undefined || writing) continue;
      show(control, value);
      this.#clear(control);
    }
  }
}

/** On a phone the settings are folded at first; on a wide window they can't be. */
function foldOnSmallWindows() {
  const small = matchMedia('(max-width: 760px)');
  const settings = /** @type {HTMLDetailsElement} */ (document.querySelector('.settings'));
  const fold = () => (settings.open = !small.matches);
  small.addEventListener('change', fold);
  fold();
}

/** The settings that are seldom turned. */
function unfoldMore() {
  const more = byId('more');
  more.addEventListener('click', () => {
    const fields = byId('more-fields');
    fields.hidden = !fields.hidden;
    more.setAttribute('aria-expanded', String(!fields.hidden));
    more.textContent = fields.hidden ? 'More…' : 'Less';
  });
}

/**
 * Start, pause, step, reset.
 * @param {Api} api
 * @param {import('../state/session.js').Session} session
 */
export function transport(api, session) {
  const [run, step, reset] = /** @type {HTMLButtonElement[]} */ (['run', 'one-step', 'reset'].map(byId));
  if (!run || !step || !reset) return;
  // A refusal is said by `crossdub:error`.
  const quietly = (/** @type {Promise<unknown>} */ promise) => void promise.catch(() => undefined);
  run.addEventListener('click', () => quietly(session.state.running ? api.pause() : api.start()));
  step.addEventListener('click', () => quietly(api.step()));
  reset.addEventListener('click', () => quietly(api.reset()));
  const follow = () => {
    const { running, opened, position } = session.state;
    run.toggleAttribute('data-running', running);
    run.lastElementChild?.replaceChildren(running ? 'Pause' : 'Start');
    run.disabled = !opened || (!running && Boolean(position?.finished));
    step.disabled = run.disabled;
    reset.disabled = !opened;
  };
  for (const type of ['running', 'opened', 'progress', 'turn', 'change'])
    session.addEventListener(type, follow);
}
