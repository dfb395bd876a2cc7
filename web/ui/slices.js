/** The figure of ADC bits by weight slice. */

import { bitsBySlice, sliceTable } from '../charts/slices.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { times } from './format.js';
import { theme } from './theme.js';

/** @param {import('../types/page').Page} page */
export function slices({ store, renderer }) {
  const figure = byId('slices');
  const place = /** @type {HTMLElement} */ (figure.querySelector('.plot'));
  const table = () => bitsBySlice(store.getState().inference?.slices ?? []);
  const refreshTools = addTools(figure, 'ADC bits by weight slice', {
    name: 'slices',
    columns: ['layer', 'lowest bit', 'mean bits', 'bits with all cells set'],
    rows: () => {
      const { lowest, layers } = table();
      return layers.flatMap(({ name, bits }) =>
        bits.map(({ mean, most }, at) => [name, lowest[at] ?? null, mean, most]),
      );
    },
    json: () => store.getState().inference?.slices ?? [],
    hasPicture: false,
  });
  const draw = () => {
    const { hardware, inference } = store.getState();
    const bits = table();
    // Where weights of 0 set cells, nothing is counted.
    figure.hidden = inference !== null && bits.layers.length === 0;
    if (!inference) {
      const text = 'Computed when it comes into view.';
      place.replaceChildren(make('p', { className: 'empty', textContent: text }));
      return;
    }
    place.replaceChildren(sliceTable(bits, { cellBits: hardware?.cell_bits ?? 1, theme: theme() }));
    byId('slices-improvement').textContent =
      bits.improvement === null ? '' : `${times(bits.improvement)} against full crossbars`;
    refreshTools();
  };
  renderer.add(({ inference, hardware }) => [inference, hardware], draw);
}
