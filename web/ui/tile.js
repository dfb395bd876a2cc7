/** The chosen tile: its cells and the densities of its columns. */

import { bitPlanes } from '../charts/bit-planes.js';
import { columnsChart } from '../charts/columns.js';
import { tileCells } from '../charts/tile-cells.js';
import { isPreview, isReportOpen } from '../state/selectors.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { layerName } from './format.js';
import { theme } from './theme.js';

/** @typedef {import('../types/types').TileDetail} TileDetail */

const SIDE = 200;

export class Tile {
  /** @type {TileDetail | null} */
  #detail = null;
  #isAsking = false;
  /** @type {{ layer: number, tile: number } | null} */
  #wanted = null;
  #client;
  #store;
  #redraw;
  #refreshTools;

  /** @param {import('../types/page').Page} page */
  constructor({ client, store, renderer }) {
    this.#client = client;
    this.#store = store;
    this.#refreshTools = addTools(byId('tile'), 'Chosen tile', {
      name: 'tile',
      columns: ['output', 'effective rows (Hoyer)', 'rows above tolerance', 'kept if pruned now'],
      rows: () => this.#rows(),
      json: () => this.#json(),
      canvases: () => {
        const canvas = byId('tile').querySelector('canvas');
        return canvas ? [{ title: byId('tile-title').textContent ?? '', canvas }] : [];
      },
    });
    this.#redraw = renderer.add(isPreview, () => this.#draw());
  }

  #rows() {
    const detail = this.#detail;
    if (!detail) return [];
    return detail.hoyer.map((hoyer, column) => {
      const kept = detail.kept.subarray(column * detail.rows, (column + 1) * detail.rows);
      return [
        detail.first_output + column,
        hoyer,
        detail.counted[column] ?? null,
        kept.reduce((sum, one) => sum + one, 0),
      ];
    });
  }

  #json() {
    const detail = this.#detail;
    return (
      detail && {
        ...detail,
        values: [...detail.values],
        kept: [...detail.kept],
        integers: [...detail.integers],
      }
    );
  }

  /**
   * Asks the worker for a tile; while it answers, only the latest request counts.
   * @param {{ layer: number, tile: number } | null} place
   */
  async show(place) {
    this.#wanted = place;
    if (this.#isAsking) return;
    this.#isAsking = true;
    while (this.#wanted) {
      const { layer, tile } = this.#wanted;
      this.#wanted = null;
      const detail = await this.#client.tile(layer, tile).catch(() => null);
      if (detail) {
        this.#detail = detail;
        this.#redraw();
      } else if (isReportOpen(this.#store.getState())) this.#clear();
    }
    this.#isAsking = false;
  }

  #clear() {
    this.#detail = null;
    byId('tile-title').textContent = 'One tile';
    byId('tile-facts').textContent = '';
    const text = 'A report holds no weights: open the run’s weights.safetensors to look inside.';
    document
      .querySelector('.tile-plot')
      ?.replaceChildren(make('p', { className: 'empty', textContent: text }));
  }

  #draw() {
    const detail = this.#detail;
    if (!detail) return;
    const colours = theme();
    const { rows, columns, first_input, level, kept } = detail;
    const remaining = kept.reduce((sum, one) => sum + one, 0);
    byId('tile-title').textContent = `Inside ${layerName(detail.layer)}, tile ${detail.tile}`;
    const state = isPreview(this.#store.getState()) ? 'if pruned now' : 'pruned';
    byId('tile-facts').textContent =
      `${state}, level ${level}: ${remaining} of ${rows * columns} weights stay`;
    const place = /** @type {HTMLElement} */ (document.querySelector('.tile-plot'));
    const part = (/** @type {string} */ text) => make('p', { className: 'part', textContent: text });
    const cells = make(
      'div',
      { className: 'cells' },
      part(`inputs ${first_input}–${first_input + rows - 1} ↓, outputs →`),
      tileCells(detail, { side: SIDE, theme: colours }),
      keys(colours),
    );
    const beside = place.clientWidth - SIDE - 20;
    const width = beside >= 220 ? beside : Math.max(220, place.clientWidth);
    const chart = columnsChart(detail, { width, height: SIDE + 22, theme: colours });
    const bars = make(
      'div',
      { className: 'columns' },
      part('effective active rows; dots: above tolerance'),
      chart,
    );
    const { weight_precision, cell_bits } = this.#store.getState().hardware ?? {};
    const planes = make(
      'div',
      { className: 'planes' },
      part(`bit planes of the ${weight_precision}-bit weights: what each crossbar of the tile holds`),
      bitPlanes(detail, { cellBits: cell_bits ?? 1, theme: colours }),
    );
    place.replaceChildren(cells, bars, planes);
    this.#refreshTools();
  }
}

/** The legend of the cells. @param {import('../types/messages').Theme} colours */
function keys(colours) {
  const swatch = (/** @type {string} */ colour, /** @type {string} */ text) => {
    const box = make('i');
    box.style.cssText = `display:inline-block;width:10px;height:10px;margin-right:4px;background:${colour}`;
    return make('span', {}, box, text);
  };
  const dot = make('i');
  dot.style.cssText = `display:inline-block;width:4px;height:4px;margin:0 5px 3px 2px;background:${colours.soft}`;
  const row = make(
    'p',
    { className: 'part' },
    swatch(colours.positive, 'positive'),
    swatch(colours.negative, 'negative'),
    make('span', {}, dot, 'pruned'),
  );
  row.style.cssText = 'display:flex;gap:12px;margin:5px 0 0';
  return row;
}
