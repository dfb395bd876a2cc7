/** "If pruned now": the level histogram, the energy by both models, and what they mean. */

import { energyChart } from '../charts/energy.js';
import { histogramChart } from '../charts/histogram.js';
import { theme } from '../theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';

/** @typedef {import('../session.js').Session} Session */

/** @param {number} part @param {number} whole */
function percent(part, whole) {
  return whole === 0 ? '0 %' : `${((100 * part) / whole).toFixed(1)} %`;
}

/** @param {import('../types').Energy} energy */
function times({ improvement }) {
  return improvement === null ? 'none left' : `${improvement.toFixed(improvement < 10 ? 2 : 1)}×`;
}

/** @param {import('../types').View} view */
function drawTotals({ preview }) {
  const total = (/** @type {'paper' | 'lossless'} */ model) =>
    make('div', { className: model }, make('b', { textContent: times(preview.energy[model]) }), make('span', { textContent: model }));
  byId('totals').replaceChildren(total('paper'), total('lossless'));
  const { zeros, weights } = preview;
  byId('strength-note').textContent =
    `The smallest ${preview.strength} % of each layer count as zero; tiles then lose ` +
    `${percent(zeros, weights)} of ${weights.toLocaleString('en')} weights.`;
}

/** @param {import('../types').View} view */
function drawWords({ analysis }) {
  const rows = analysis.tile;
  // Levels run from 0 to N + 1.
  const n = analysis.histogram.length - 2;
  const bold = (/** @type {string} */ text) => make('b', { textContent: text });
  byId('energy-words').replaceChildren(
    bold('Paper: '),
    `a tile at level k needs N − k bits (here N = ${n}, for ${rows} rows), so one active row costs 0 bits. `,
    bold('Lossless: '),
    'n active rows can add up to n + 1 different sums, so ⌈log₂(n + 1)⌉ bits are needed to lose nothing. ',
    'They differ by about one bit a tile, which weighs more the fewer bits are left: so the paper’s line is higher.',
  );
  byId('tile-size').textContent = `${rows} × ${rows} cells`;
}

/**
 * @param {Session} session
 * @returns {() => void} draws
 */
export function preview({ state }) {
  const histogram = byId('histogram');
  const energy = byId('energy');
  const followHistogram = addTools(histogram, 'Tiles at each level', {
    name: 'levels',
    columns: ['level', 'if pruned now', 'present', 'present, almost zeros counted'],
    rows: () => {
      const { analysis, preview: previewed } = state.view ?? {};
      return (previewed?.histogram ?? []).map((tiles, level) => [
        level, tiles, analysis?.histogram[level] ?? null, analysis?.almost_zero_histogram[level] ?? null,
      ]);
    },
    json: () => ({ analysis: state.view?.analysis, preview: state.view?.preview }),
  });
  const measured = () => state.history.filter((point) => point.strength !== null || point.improvement_paper !== null);
  const followEnergy = addTools(energy, 'ADC energy improvement', {
    name: 'energy',
    columns: ['step', 'strength', 'paper', 'lossless'],
    rows: () => measured().map((p) => [p.step, p.strength, p.improvement_paper, p.improvement_lossless]).reverse(),
    json: measured,
  });
  const place = (/** @type {HTMLElement} */ figure) => /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  return () => {
    const { view } = state;
    if (!view) return;
    const size = { width: Math.max(240, place(histogram).clientWidth), theme: theme() };
    const tiles = { previewed: view.preview.histogram, present: view.analysis.histogram };
    place(histogram).replaceChildren(histogramChart(tiles, { ...size, height: 145 }));
    drawTotals(view);
    drawWords(view);
    if (state.dropped) {
      const text = 'A dropped checkpoint has no steps: the numbers above are for it.';
      place(energy).replaceChildren(make('p', { className: 'empty', textContent: text }));
    } else place(energy).replaceChildren(energyChart(state.history, { ...size, height: 165 }));
    followHistogram();
    followEnergy();
  };
}
