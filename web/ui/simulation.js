/** "Prove it": held-out images through simulated crossbars, what saturated, and one column conversion by conversion. */

import { byId, make } from './element.js';
import { count, layerName, percent } from './format.js';

/** @typedef {import('../types/page').Page} Page */
/** @typedef {import('../types/messages').State} State */
/** @typedef {import('../types/types').ColumnTrace} ColumnTrace */
/** @typedef {import('../types/types').SimulationReport} SimulationReport */
/** @typedef {{ layer: number, tile: number, column: number }} ColumnPlace */

/** The most windows of an image to search for an example; small layers have fewer. */
const POSITIONS = [0, 9, 18, 27, 36, 45];

/** @param {number} part @param {number} whole */
const share = (part, whole) => (whole === 0 ? '0 %' : `${Number(((100 * part) / whole).toPrecision(2))} %`);

/** @param {string[]} head @param {(string | number)[][]} rows @param {string} title */
function table(head, rows, title) {
  const columns = head.map((text) => make('th', { scope: 'col', textContent: text }));
  const body = rows.map(([first = '', ...rest]) => {
    const cells = rest.map((value) => make('td', {}, String(value)));
    return make('tr', {}, make('th', { scope: 'row' }, String(first)), ...cells);
  });
  const caption = make('caption', { className: 'unseen', textContent: title });
  return make(
    'table',
    {},
    caption,
    make('thead', {}, make('tr', {}, ...columns)),
    make('tbody', {}, ...body),
  );
}

export class SimulationPanel {
  #api;
  #store;
  #getPinned;
  /** @type {ColumnTrace | null} */
  #example = null;
  /** Whether an example is still missing: the last simulation event may come after the call's result. */
  #isWanted = false;

  /** @param {Page} page @param {() => { layer: number, tile: number } | null} getPinned */
  constructor({ api, store }, getPinned) {
    this.#api = api;
    this.#store = store;
    this.#getPinned = getPinned;
    byId('prove').addEventListener('click', () => void this.#simulate());
    byId('column').addEventListener('change', () => void this.#chooseColumn());
    document.addEventListener('crossdub:pinned', () => void this.#showExample());
    store.subscribe(
      ({ simulation, file }) => [simulation, file],
      () => {
        this.#draw();
        if (this.#isWanted) void this.#showExample();
      },
    );
  }

  async #simulate() {
    const button = /** @type {HTMLButtonElement} */ (byId('prove'));
    const images = /** @type {HTMLInputElement} */ (byId('prove-images')).valueAsNumber;
    button.disabled = true;
    const simulation = await this.#api.prove({ images }).catch(() => null);
    button.disabled = false;
    this.#isWanted = simulation !== null;
    if (simulation) await this.#showExample();
  }

  /** Shows the column that the user entered; an invalid one is reported, and the example stays. */
  async #chooseColumn() {
    const place = this.#getPinned();
    if (!place || !this.#store.getState().simulation) return;
    const input = /** @type {HTMLInputElement} */ (byId('column'));
    const column = input.value === '' ? NaN : Number(input.value);
    const example = await this.#api.column({ ...place, column }).catch(() => null);
    input.setAttribute('aria-invalid', String(example === null));
    if (example) await this.#showExample();
  }

  /** Shows the chosen column of the pinned tile, or its first one if that tile has fewer. */
  async #showExample() {
    const place = this.#getPinned();
    if (!place || !this.#store.getState().simulation) return;
    this.#isWanted = false;
    const input = /** @type {HTMLInputElement} */ (byId('column'));
    const column = Math.max(0, input.valueAsNumber || 0);
    let example = await this.#findExample({ ...place, column });
    if (!example && column > 0) {
      example = await this.#findExample({ ...place, column: 0 });
      input.value = '0';
    }
    this.#example = example;
    if (example) input.setAttribute('aria-invalid', 'false');
    this.#draw();
  }

  /**
   * The column at a window with inputs: at the border, and after a rectifier, all may be zero.
   * @param {ColumnPlace} place
   */
  async #findExample(place) {
    let found = null;
    for (const position of POSITIONS) {
      const example = await this.#api.column({ ...place, position }, true).catch(() => null);
      if (!example) break;
      found = example;
      if (example.applied.some((value, row) => value !== 0 && example.weights[row] !== 0)) break;
    }
    return found;
  }

  #draw() {
    const { simulation, file } = this.#store.getState();
    if (!simulation) this.#example = null;
    byId('proof').hidden = !simulation;
    /** @type {HTMLElement} */ (byId('prove').parentElement).hidden = file !== null;
    byId('prove-why').hidden = file === null;
    if (!simulation) return;
    drawResult(simulation);
    byId('by-hand').hidden = !this.#example;
    if (this.#example) drawExample(this.#example, simulation.hardware.input_bits);
  }
}

/** @param {SimulationReport} simulation */
function drawResult(simulation) {
  const { images, exact, saturated_conversions: saturated, conversions, note, hardware, layers } = simulation;
  const { digital_accuracy: digital, quantized_accuracy: quantized, accuracy } = simulation;
  const number = (/** @type {number | null} */ value, /** @type {string} */ label) => {
    const bold = make('b', { textContent: value === null ? '–' : percent(value) });
    return make('div', {}, bold, make('span', { textContent: label }));
  };
  byId('proof-numbers').replaceChildren(
    number(digital, 'digital'),
    number(quantized, 'quantized'),
    number(accuracy, 'simulated'),
  );
  const verdict = exact
    ? 'Exact: every output integer of every layer is the quantized network’s.'
    : `Not exact: ${share(saturated, conversions)} of ${count(conversions)} conversions saturated. ` +
      'Colour the crossbars by “Saturated” to see where.';
  const text = byId('proof-words');
  const setting = `${images} images at resolution ${hardware.resolution}, per ${hardware.per}.`;
  text.textContent = [setting, verdict, note ?? ''].join(' ').trim();
  text.dataset.exact = String(exact);
  const rows = layers.map((layer) => [
    layerName(layer.name),
    count(layer.conversions),
    share(layer.saturated_conversions, layer.conversions),
    count(layer.mismatched_outputs),
  ]);
  const head = ['Layer', 'Conversions', 'Saturated', 'Wrong outputs'];
  byId('proof-layers').replaceChildren(table(head, rows, 'The converters of each layer'));
}

/** @param {ColumnTrace} example @param {number} inputBits */
function drawExample(example, inputBits) {
  const { layer, tile, column, output, inputs, weights, applied, conversions, result, expected } = example;
  byId('by-hand-title').textContent =
    `${layerName(layer)}, tile ${tile}, column ${column} (output ${output})`;
  const active = weights.map((weight, row) => [weight, row]).filter(([weight]) => weight !== 0);
  const cells = active.map(([weight = 0, row = 0]) => {
    const value = applied[row] ?? 0;
    return [inputs[0] + row, weight, value, value.toString(2).padStart(inputBits, '0')];
  });
  byId('by-hand-cells').replaceChildren(
    table(['Input', 'Weight', 'Value', 'Its bits'], cells, 'Rows with a weight'),
  );
  const rows = conversions.flatMap(({ slice, polarity, chunk, sum, bits, code, saturated, weight }) =>
    bits === null
      ? []
      : [[`bit ${slice}, ${polarity}`, chunk, sum, bits, saturated ? `${code} (saturated)` : code, weight]],
  );
  const head = ['Cells', 'Input bit', 'Sum', 'Bits', 'Code', 'Factor'];
  byId('by-hand-codes').replaceChildren(table(head, rows, 'Conversions of the column'));
  const loss = result === expected ? 'nothing is lost' : `${Math.abs(expected - result)} is lost`;
  byId('by-hand-sum').textContent =
    `The codes, each times its factor, add up to ${result}; the product is ${expected}: ${loss}.`;
}
