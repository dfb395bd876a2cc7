/** "Prove it": held-out images through simulated crossbars, what saturated, and one column worked through by hand. */

import { byId, make } from './element.js';
import { layerName, percent } from './words.js';

/** @typedef {ReturnType<import('../api/api.js').makeApi>} Api */
/** @typedef {import('../state/session.js').Session} Session */
/** @typedef {import('../types/types').ColumnExample} ColumnExample */
/** @typedef {import('../types/types').Simulation} Simulation */

/** Windows of an image to look for an example in; the smallest image of a layer has not many. */
const POSITIONS = [0, 9, 18, 27, 36, 45];

/** @param {number} part @param {number} whole */
const share = (part, whole) => (whole === 0 ? '0 %' : `${Number(((100 * part) / whole).toPrecision(2))} %`);
/** @param {number} count */
const many = (count) => count.toLocaleString('en');

/** @param {string[]} head @param {(string | number)[][]} rows @param {string} caption */
function table(head, rows, caption) {
  const cells = (/** @type {(string | number)[]} */ row) =>
    row.map((value, at) =>
      at === 0 ? make('th', { scope: 'row' }, String(value)) : make('td', {}, String(value)),
    );
  const columns = head.map((text) => make('th', { scope: 'col', textContent: text }));
  return make(
    'table',
    {},
    make('caption', { className: 'unseen', textContent: caption }),
    make('thead', {}, make('tr', {}, ...columns)),
    make('tbody', {}, ...rows.map((row) => make('tr', {}, ...cells(row)))),
  );
}

export class Proof {
  #api;
  #session;
  #pinned;
  /** @type {ColumnExample | null} */
  #example = null;
  /** Whether the column is still to be worked through: the worker's word of the proof may come after its answer. */
  #wanted = false;

  /** @param {Api} api @param {Session} session @param {() => { layer: number, tile: number } | null} pinned */
  constructor(api, session, pinned) {
    this.#api = api;
    this.#session = session;
    this.#pinned = pinned;
    byId('prove').addEventListener('click', () => void this.#prove());
    byId('column').addEventListener('change', () => void this.#choose());
    document.addEventListener('crossdub:pinned', () => void this.#work());
    for (const type of ['proof', 'opened', 'turn', 'change', 'running', 'progress', 'view'])
      session.addEventListener(type, () => this.draw());
    session.addEventListener('proof', () => this.#wanted && void this.#work());
  }

  async #prove() {
    const button = /** @type {HTMLButtonElement} */ (byId('prove'));
    const images = /** @type {HTMLInputElement} */ (byId('prove-images')).valueAsNumber;
    button.disabled = true;
    const done = await this.#api.prove({ images }).catch(() => null);
    button.disabled = false;
    this.#wanted = Boolean(done);
    if (done) await this.#work();
  }

  /** A column of the user's: one that the tile has not is refused, and the last one stays. */
  async #choose() {
    const place = this.#pinned();
    if (!place || !this.#session.state.proof) return;
    const input = /** @type {HTMLInputElement} */ (byId('column'));
    const there = await this.#api
      .column({ ...place, column: input.value === '' ? NaN : Number(input.value) })
      .then(
        () => true,
        () => false,
      );
    input.setAttribute('aria-invalid', String(!there));
    if (there) await this.#work();
  }

  /** Works through the chosen column of the pinned tile, or its first where that tile has fewer. */
  async #work() {
    const place = this.#pinned();
    const { proof } = this.#session.state;
    if (!place || !proof) return;
    this.#wanted = false;
    const input = /** @type {HTMLInputElement} */ (byId('column'));
    const column = Math.max(0, input.valueAsNumber || 0);
    this.#example = await this.#firstWithInput({ ...place, column });
    if (!this.#example && column > 0) {
      this.#example = await this.#firstWithInput({ ...place, column: 0 });
      input.value = '0';
    }
    if (this.#example) input.setAttribute('aria-invalid', 'false');
    this.draw();
  }

  /** A window in which something comes in: at the border, and after a rectifier, all may be zero. @param {{ layer: number, tile: number, column: number }} at */
  async #firstWithInput(at) {
    let found = null;
    for (const position of POSITIONS) {
      const example = await this.#api.column({ ...at, position }, true).catch(() => null);
      if (!example) break;
      found = example;
      if (example.applied.some((value, row) => value !== 0 && example.weights[row] !== 0)) break;
    }
    return found;
  }

  draw() {
    const { state } = this.#session;
    const { proof } = state;
    if (!proof) this.#example = null;
    /** @type {HTMLElement} */ (byId('proof')).hidden = !proof;
    /** @type {HTMLElement} */ (byId('prove').parentElement).hidden = Boolean(state.dropped);
    byId('prove-why').hidden = !state.dropped;
    if (!proof) return;
    this.#drawVerdict(proof);
    const rows = proof.layers.map((layer) => [
      layerName(layer.name),
      many(layer.conversions),
      share(layer.saturated_conversions, layer.conversions),
      many(layer.mismatched_outputs),
    ]);
    byId('proof-layers').replaceChildren(
      table(['Layer', 'Conversions', 'Saturated', 'Wrong outputs'], rows, 'What each layer’s converters did'),
    );
    byId('by-hand').hidden = !this.#example;
    if (this.#example) this.#drawExample(this.#example);
  }

  /** @param {Simulation} proof */
  #drawVerdict({
    images,
    accuracy,
    digital_accuracy,
    quantized_accuracy,
    exact,
    saturated_conversions,
    conversions,
    note,
    hardware,
  }) {
    const number = (/** @type {number | null} */ value, /** @type {string} */ text) =>
      make(
        'div',
        {},
        make('b', { textContent: value === null ? '–' : percent(value) }),
        make('span', { textContent: text }),
      );
    byId('proof-numbers').replaceChildren(
      number(digital_accuracy, 'digital'),
      number(quantized_accuracy, 'quantized'),
      number(accuracy, 'simulated'),
    );
    const verdict = exact
      ? 'Exact: every output integer of every layer is the quantized network’s.'
      : `Not exact: ${share(saturated_conversions, conversions)} of ${many(conversions)} conversions had no code for their sum.`;
    const where = exact ? '' : ' Colour the crossbars by “Saturated” to see where.';
    byId('proof-words').textContent =
      `${images} images at resolution ${hardware.resolution}, per ${hardware.per}. ${verdict}${where} ${note ?? ''}`;
    byId('proof-words').dataset.exact = String(exact);
  }

  /** @param {ColumnExample} example */
  #drawExample({ layer, tile, column, output, inputs, weights, applied, conversions, result, expected }) {
    const { state } = this.#session;
    const { input_bits: bits = 8 } = state.proof?.hardware ?? {};
    byId('by-hand-title').textContent =
      `${layerName(layer)}, tile ${tile}, column ${column} (output ${output})`;
    const active = weights.map((weight, row) => [weight, row]).filter(([weight]) => weight !== 0);
    const cells = active.map(([weight = 0, row = 0]) => [
      inputs[0] + row,
      weight,
      applied[row] ?? 0,
      (applied[row] ?? 0).toString(2).padStart(bits, '0'),
    ]);
    byId('by-hand-cells').replaceChildren(
      table(['Input', 'Weight', 'Value', 'Its bits'], cells, 'Rows with a weight'),
    );
    const made = conversions.filter((conversion) => conversion.bits !== null);
    const rows = made.map(({ slice, polarity, chunk, sum, bits: resolution, code, saturated, weight }) => [
      `bit ${slice}, ${polarity}`,
      chunk,
      sum,
      resolution ?? 0,
      saturated ? `${code} (saturated)` : code,
      weight,
    ]);
    byId('by-hand-codes').replaceChildren(
      table(['Cells', 'Input bit', 'Sum', 'Bits', 'Code', 'Counts'], rows, 'Conversions of the column'),
    );
    const right = result === expected;
    byId('by-hand-sum').textContent =
      `The codes, each times what it counts, add up to ${result}; the product is ${expected}${right ? ': nothing is lost.' : `: ${Math.abs(expected - result)} is lost.`}`;
  }
}
