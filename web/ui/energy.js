/** Energy by every converter model: the switch of model and resolution, the curves over bits, the table. */

import { convertersChart } from '../charts/converters.js';
import { theme } from './theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { times } from './words.js';

/** @typedef {import('../state/session.js').Session} Session */
/** @typedef {import('../types/types').InferenceRow} InferenceRow */
/** @typedef {import('../types/types').LayerMap} LayerMap */
/** @typedef {import('../types/types').HardwareSpec} HardwareSpec */

/** The energies are computed anew at most this often while training. */
const PACE_MS = 5000;
const POLICIES = {
  paper: 'paper',
  lossless: 'lossless, by active rows',
  'lossless-sliced': 'lossless, by set cells',
};

/** Whether a row is of the converter and policy that the hardware names. @param {InferenceRow} row @param {HardwareSpec} hardware */
export function isChosen(row, { adc, resolution, per }) {
  const unitless = adc === 'paper' || Object.hasOwn(POLICIES, adc);
  const model = unitless ? row.unit === 'bits' : row.model === adc;
  return model && row.resolution === resolution && row.per === per;
}

/** The bits of each tile by the resolution that the hardware names. @param {LayerMap} map @param {HardwareSpec} hardware */
export function bitsOf(map, { resolution }) {
  if (resolution === 'paper') return map.bits_paper;
  if (resolution === 'lossless') return map.bits_lossless;
  if (resolution === 'lossless-sliced') return map.bits_lossless_sliced;
  return map.bits_paper.map(() => Number(resolution));
}

/** @param {InferenceRow} row */
const name = ({ model, unit }) => (unit === 'bits' ? 'bits (unitless)' : model);

/** @param {import('../types/types').Energy | null} energy */
const improvement = (energy) => (energy === null ? '–' : times(energy.improvement));

/** @param {Session} session @returns {() => void} draws */
export function energies(session) {
  const { state } = session;
  const section = byId('models');
  const figure = byId('converters');
  const place = /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  let [seen, asking, asked] = [false, false, -Infinity];

  const ask = async () => {
    if (!seen || asking || !state.view || (state.running && performance.now() - asked < PACE_MS)) return;
    asking = true;
    await session.inference().catch(() => undefined);
    [asking, asked] = [false, performance.now()];
  };
  new IntersectionObserver(([entry]) => {
    seen = entry?.isIntersecting ?? false;
    void ask();
  }).observe(section);
  session.addEventListener('view', () => void ask());

  const follow = addTools(figure, 'Energy of a conversion', {
    name: 'converters',
    columns: ['bits', ...(state.converters?.models ?? []).map((curve) => `${curve.model} (${curve.unit})`)],
    rows: () =>
      (state.converters?.bits ?? []).map((bits, at) => [
        bits,
        ...(state.converters?.models ?? []).map((curve) => curve.energy[at] ?? null),
      ]),
    json: () => state.converters,
  });
  const table = byId('model-table');
  const followTable = addTools(table, 'Improvement by model', {
    name: 'improvement',
    columns: [
      'model',
      'resolution',
      'per',
      'unit',
      'extrapolated',
      'improvement per tile',
      'improvement per inference',
      'conversions dense',
      'conversions pruned',
      'energy dense',
      'energy pruned',
    ],
    rows: () =>
      (state.inference?.table ?? []).map((row) => [
        row.model,
        row.resolution,
        row.per,
        row.unit,
        String(row.extrapolated),
        row.per_tile?.improvement ?? null,
        row.per_inference?.improvement ?? null,
        row.conversions?.dense ?? null,
        row.conversions?.actual ?? null,
        (row.per_inference ?? row.per_tile)?.dense ?? null,
        (row.per_inference ?? row.per_tile)?.actual ?? null,
      ]),
    json: () => state.inference,
    picture: false,
  });

  const drawCurves = () => {
    const { converters, hardware, view } = state;
    if (!converters || !hardware) return;
    const counts = new Map();
    for (const bits of (view?.maps ?? []).flatMap((map) => bitsOf(map, hardware)))
      counts.set(bits, (counts.get(bits) ?? 0) + 1);
    const used = [...counts].filter(([bits]) => bits > 0).map(([bits, tiles]) => ({ bits, tiles }));
    const curves = converters.models.filter((curve) => curve.unit === 'pJ');
    const shown = converters.bits.filter((bits) => bits <= 12);
    const size = { width: Math.max(240, place.clientWidth), height: 300, theme: theme() };
    place.replaceChildren(convertersChart({ bits: shown, curves, chosen: hardware.adc, used }, size));
    follow();
  };

  const drawTable = () => {
    const { inference, hardware } = state;
    const body = byId('model-rows');
    if (!inference || !hardware) {
      body.replaceChildren(
        make('p', { className: 'empty', textContent: 'Computed when it comes into view.' }),
      );
      return;
    }
    const rows = inference.table.filter(
      (row) => row.resolution === hardware.resolution && row.per === hardware.per,
    );
    const head = ['Model', 'Per tile', 'Per inference'].map((text) =>
      make('th', { scope: 'col', textContent: text }),
    );
    const lines = rows.map((row) => {
      const chosen = isChosen(row, hardware);
      const line = make(
        'tr',
        { className: chosen ? 'chosen' : '' },
        make('th', { scope: 'row' }, name(row), row.extrapolated ? ' *' : ''),
        ...[row.per_tile, row.per_inference].map((energy) =>
          make('td', { textContent: improvement(energy) }),
        ),
      );
      if (chosen) line.setAttribute('aria-current', 'true');
      return line;
    });
    const caption = make('caption', { className: 'unseen', textContent: 'Improvement by model' });
    body.replaceChildren(
      make('table', {}, caption, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...lines)),
    );
    const { crossbars } = inference;
    byId('model-note').textContent =
      `${crossbars.dense.toLocaleString('en')} crossbars, ${crossbars.with_set_cells.toLocaleString('en')} of them with a set cell. ` +
      (rows.some((row) => row.extrapolated) ? '* beyond the range the model was fitted on.' : '');
    followTable();
  };
  return () => {
    drawCurves();
    drawTable();
  };
}

/** What the select boxes offer. @param {Session} session */
export function fillModels({ state }) {
  const models = (state.converters?.models ?? [])
    .filter((curve) => curve.unit === 'pJ')
    .map((curve) => curve.model);
  const options = (/** @type {[string, string][]} */ entries) =>
    entries.map(([value, textContent]) => make('option', { value, textContent }));
  byId('adc').replaceChildren(
    ...options([
      ['paper', 'bits (unitless)'],
      ...models.map((model) => /** @type {[string, string]} */ ([model, model])),
    ]),
  );
  byId('resolution').replaceChildren(...options(Object.entries(POLICIES)));
}
