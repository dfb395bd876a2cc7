/** Energy by every ADC model: the choice of model and resolution, the curves over bits, the table. */

import { convertersChart } from '../charts/converters.js';
import { byId, ignoreReported, make } from './element.js';
import { addTools } from './figure.js';
import { count, times } from './format.js';
import { theme } from './theme.js';

/** @typedef {import('../types/page').Page} Page */
/** @typedef {import('../types/types').AdcComparison} AdcComparison */
/** @typedef {import('../types/types').InferenceRow} InferenceRow */
/** @typedef {import('../types/types').HardwareConfig} HardwareConfig */

/** Energies are computed at most this often while training. */
const INTERVAL_MS = 5000;
/** The curves are drawn up to this many bits. */
const MAX_BITS = 12;
const RESOLUTIONS = {
  paper: 'paper',
  lossless: 'lossless, by active rows',
  'lossless-sliced': 'lossless, by set cells',
};
const COLUMNS = [
  ...[
    'model',
    'resolution',
    'per',
    'unit',
    'extrapolated',
    'improvement per tile',
    'improvement per inference',
  ],
  ...['conversions dense', 'conversions pruned', 'energy dense', 'energy pruned'],
];

/**
 * Whether a row belongs to the model and resolution of the hardware.
 * @param {InferenceRow} row
 * @param {HardwareConfig} hardware
 */
export function isChosen(row, { adc, resolution, per }) {
  const isUnitless = adc === 'paper' || Object.hasOwn(RESOLUTIONS, adc);
  const isModel = isUnitless ? row.unit === 'bits' : row.model === adc;
  return isModel && row.resolution === resolution && row.per === per;
}

/**
 * The bits of each tile at the resolution of the hardware.
 * @param {import('../types/types').LayerMap} map
 * @param {HardwareConfig} hardware
 */
export function bitsOf(map, { resolution }) {
  if (resolution === 'paper') return map.bits_paper;
  if (resolution === 'lossless') return map.bits_lossless;
  if (resolution === 'lossless-sliced') return map.bits_lossless_sliced ?? [];
  return map.bits_paper.map(() => Number(resolution));
}

/** Computes the energy of an inference while the section is in view. @param {Page} page */
function computeInView({ api, store }) {
  let isInView = false;
  let isComputing = false;
  let computedAt = -Infinity;
  /** @type {unknown} */
  let computed = null;
  const compute = async () => {
    const { view, running } = store.getState();
    if (!isInView || isComputing || !view || view === computed) return;
    if (running && performance.now() - computedAt < INTERVAL_MS) return;
    isComputing = true;
    await api.inference().catch(() => undefined);
    isComputing = false;
    computed = view;
    computedAt = performance.now();
    // What was displayed meanwhile is due too.
    await compute();
  };
  new IntersectionObserver(([entry]) => {
    isInView = entry?.isIntersecting ?? false;
    ignoreReported(compute());
  }).observe(byId('models'));
  store.subscribe(
    ({ view, running }) => [view, running],
    () => ignoreReported(compute()),
  );
}

/** @param {Page} page */
export function energies(page) {
  const { store } = page;
  computeInView(page);
  store.subscribe(
    ({ converters }) => converters,
    (converters) => {
      if (!converters) return;
      fillOptions(converters);
      converterCurves(page, converters);
    },
  );
  modelTable(page);
}

/** @param {AdcComparison} converters */
function fillOptions({ models }) {
  const options = (/** @type {[string, string][]} */ entries) =>
    entries.map(([value, textContent]) => make('option', { value, textContent }));
  const physical = models
    .filter(({ unit }) => unit === 'pJ')
    .map(({ model }) => /** @type {[string, string]} */ ([model, model]));
  byId('adc').replaceChildren(...options([['paper', 'bits (unitless)'], ...physical]));
  byId('resolution').replaceChildren(...options(Object.entries(RESOLUTIONS)));
}

/** @param {Page} page @param {AdcComparison} converters */
function converterCurves({ store, renderer }, { bits, models }) {
  const figure = byId('converters');
  const place = /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  const refreshTools = addTools(figure, 'Energy of a conversion', {
    name: 'converters',
    columns: ['bits', ...models.map(({ model, unit }) => `${model} (${unit})`)],
    rows: () => bits.map((value, index) => [value, ...models.map(({ energy }) => energy[index] ?? null)]),
    json: () => ({ bits, models }),
  });
  const draw = () => {
    const { hardware, view } = store.getState();
    if (!hardware) return;
    /** @type {Map<number, number>} */
    const tilesByBits = new Map();
    for (const value of (view?.maps ?? []).flatMap((map) => bitsOf(map, hardware))) {
      tilesByBits.set(value, (tilesByBits.get(value) ?? 0) + 1);
    }
    const data = {
      bits: bits.filter((value) => value <= MAX_BITS),
      curves: models.filter(({ unit }) => unit === 'pJ'),
      chosen: hardware.adc,
      used: [...tilesByBits].filter(([value]) => value > 0).map(([value, tiles]) => ({ bits: value, tiles })),
    };
    const size = { width: Math.max(240, place.clientWidth), height: 300, theme: theme() };
    place.replaceChildren(convertersChart(data, size));
    refreshTools();
  };
  renderer.add(({ hardware, view }) => [hardware, view], draw);
}

/** @param {InferenceRow} row @returns {(string | number | null)[]} */
function cells(row) {
  const { model, resolution, per, unit, extrapolated, per_tile: perTile, per_inference: perInference } = row;
  const energy = perInference ?? perTile;
  return [
    ...[model, resolution, per, unit, String(extrapolated)],
    ...[perTile?.improvement ?? null, perInference?.improvement ?? null],
    ...[row.conversions?.dense ?? null, row.conversions?.actual ?? null],
    ...[energy?.dense ?? null, energy?.actual ?? null],
  ];
}

/** @param {InferenceRow} row @param {HardwareConfig} hardware */
function tableRow(row, hardware) {
  const isRowChosen = isChosen(row, hardware);
  const name = row.unit === 'bits' ? 'bits (unitless)' : row.model;
  const head = make('th', { scope: 'row' }, name, row.extrapolated ? ' *' : '');
  const values = [row.per_tile, row.per_inference].map((energy) =>
    make('td', { textContent: energy === null ? '–' : times(energy.improvement) }),
  );
  const node = make('tr', { className: isRowChosen ? 'chosen' : '' }, head, ...values);
  if (isRowChosen) node.setAttribute('aria-current', 'true');
  return node;
}

/** @param {Page} page */
function modelTable({ store, renderer }) {
  const refreshTools = addTools(byId('model-table'), 'Improvement by model', {
    name: 'improvement',
    columns: COLUMNS,
    rows: () => (store.getState().inference?.table ?? []).map(cells),
    json: () => store.getState().inference,
    hasPicture: false,
  });
  const draw = () => {
    const { inference, hardware } = store.getState();
    const place = byId('model-rows');
    if (!inference || !hardware) {
      place.replaceChildren(
        make('p', { className: 'empty', textContent: 'Computed when it comes into view.' }),
      );
      return;
    }
    const { resolution, per } = hardware;
    const rows = inference.table.filter((row) => row.resolution === resolution && row.per === per);
    const head = ['Model', 'Per tile', 'Per inference'].map((text) =>
      make('th', { scope: 'col', textContent: text }),
    );
    const caption = make('caption', { className: 'unseen', textContent: 'Improvement by model' });
    const body = make('tbody', {}, ...rows.map((row) => tableRow(row, hardware)));
    place.replaceChildren(make('table', {}, caption, make('thead', {}, make('tr', {}, ...head)), body));
    const { dense, with_set_cells: withSetCells } = inference.crossbars;
    const note = rows.some((row) => row.extrapolated)
      ? '* outside the range that the model was fitted on.'
      : '';
    byId('model-note').textContent =
      `${count(dense)} crossbars, ${count(withSetCells)} of them with a set cell. ${note}`;
    refreshTools();
  };
  renderer.add(({ inference, hardware }) => [inference, hardware], draw);
}
