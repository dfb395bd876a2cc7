/** The crossbar maps: the tile pointed at, the pinned one, and exact numbers. */

import { layerMap } from '../charts/layer-map.js';
import { legend } from '../charts/legend.js';
import { bitsScale, densityScale, imbalanceScale, levelScale, saturationScale } from '../charts/scales.js';
import { isPreview } from '../state/selectors.js';
import { announce } from './announcer.js';
import { byId, make } from './element.js';
import { bitsOf } from './energy.js';
import { addTools } from './figure.js';
import { count, layerName } from './format.js';
import { theme } from './theme.js';

/** @typedef {import('../types/types').LayerMap} LayerMap */
/** @typedef {import('../types/types').View} View */
/** @typedef {{ layer: number, tile: number }} Place */
/** @typedef {'density' | 'imbalance' | 'level' | 'bits' | 'saturated'} Mode */

/** Modes that depend on the previewed pruning. @type {Mode[]} */
const PREVIEW_MODES = ['level', 'bits'];

/** Largest side of a tile in the map, in pixels. */
const MAX_CELL = 28;
/** Smallest side that all layers share; a layer too wide for that has smaller ones. */
const MIN_COMMON_CELL = 7;
/** About how many layers are visible without scrolling. */
const VISIBLE_LAYERS = 8;

/** @type {Record<Mode, { values: (map: LayerMap) => number[], note: string, from: string, to: string }>} */
const MODES = {
  density: {
    values: (map) => map.density,
    note: 'Share of rows that a column effectively uses (Hoyer density), averaged over the tile.',
    from: 'sparse 0 %',
    to: '100 % dense',
  },
  imbalance: {
    values: (map) => map.imbalance,
    note: 'How much a tile’s columns differ, in rows: one ADC resolution serves them all.',
    from: 'balanced 0',
    to: '',
  },
  level: {
    values: (map) => map.level,
    note: 'At level k, at most 1 in 2ᵏ of a column’s rows is active.',
    from: 'empty',
    to: 'dense',
  },
  bits: {
    values: (map) => map.bits_lossless,
    note: 'ADC bits at the selected resolution.',
    from: 'none',
    to: 'bits',
  },
  saturated: {
    values: (map) => map.density.map(() => 0),
    note: 'Saturated conversions, in the simulation of section 5.',
    from: 'none 0',
    to: '',
  },
};

/** @param {number} value @param {number} digits */
const fixed = (value, digits) => value.toFixed(digits);

/** @param {number} value */
const bits = (value) => `${value} ${value === 1 ? 'bit' : 'bits'}`;

export class Maps {
  /** @type {Place | null} */
  pinned = null;
  #store;
  #onPin;
  /** @type {Place | null} */
  #pointed = null;
  /** One element a layer, kept between drawings so that it keeps the focus. @type {HTMLElement[]} */
  #layers = [];
  /** The scale of the imbalance only grows, to show a falling imbalance. */
  #maxImbalance = 0;
  #shape = '';
  #refreshTools;

  /**
   * @param {import('../types/page').Page} page
   * @param {(place: Place) => void} onPin
   */
  constructor({ store, renderer }, onPin) {
    this.#store = store;
    this.#onPin = onPin;
    byId('map-mode').addEventListener('change', () => this.#draw());
    store.subscribe(
      ({ run }) => run,
      () => (this.#maxImbalance = 0),
    );
    renderer.add(
      (state) => [state.view, state.simulation, state.hardware, isPreview(state)],
      () => this.#draw(),
    );
    this.#refreshTools = addTools(byId('maps'), 'Crossbar maps', {
      name: 'crossbars',
      columns: [
        ...['layer', 'tile', 'row', 'column', 'density', 'imbalance', 'level'],
        ...['bits (paper)', 'bits (lossless)'],
      ],
      rows: () => this.#rows(),
      json: () => ({ analysis: this.#store.getState().view?.analysis, maps: this.#maps() }),
      canvases: () =>
        this.#layers.map((layer, index) => ({
          title: layerName(this.#maps()[index]?.name ?? ''),
          canvas: /** @type {HTMLCanvasElement} */ (layer.querySelector('canvas')),
        })),
    });
  }

  #isPreview() {
    return isPreview(this.#store.getState());
  }

  #maps() {
    return this.#store.getState().view?.maps ?? [];
  }

  #rows() {
    return this.#maps().flatMap((map) =>
      map.density.map((density, tile) => [
        map.name,
        tile,
        Math.floor(tile / map.across),
        tile % map.across,
        density,
        map.imbalance[tile] ?? null,
        map.level[tile] ?? null,
        map.bits_paper[tile] ?? null,
        map.bits_lossless[tile] ?? null,
      ]),
    );
  }

  /** @returns {Mode} */
  #mode() {
    const chosen = /** @type {HTMLInputElement | null} */ (byId('map-mode').querySelector('input:checked'));
    return /** @type {Mode} */ (chosen?.value ?? 'density');
  }

  /** @param {Mode} mode @param {View} view */
  #scale(mode, view) {
    const colours = theme();
    if (mode === 'density') return densityScale(colours);
    if (mode === 'level') return levelScale(view.analysis.histogram.length - 1, colours);
    const max = largest(this.#maps().map((map) => largest(this.#values(mode, map))));
    if (mode === 'bits') return bitsScale(max, colours);
    if (mode === 'saturated') return saturationScale(Math.max(1, max), colours);
    return imbalanceScale(this.#maxImbalance || 1, colours);
  }

  /** The values that colour the tiles. @param {Mode} mode @param {LayerMap} map */
  #values(mode, map) {
    const { hardware, simulation } = this.#store.getState();
    if (mode === 'bits' && hardware) return bitsOf(map, hardware);
    if (mode === 'saturated') {
      const simulated = simulation?.layers.find((layer) => layer.name === map.name);
      return simulated?.saturated_by_tile ?? MODES.saturated.values(map);
    }
    return MODES[mode].values(map);
  }

  #draw() {
    const { view, simulation } = this.#store.getState();
    if (!view) return;
    byId('saturated-mode').hidden = !simulation;
    if (!simulation && this.#mode() === 'saturated') {
      /** @type {HTMLInputElement} */ (byId('map-mode').querySelector('input')).checked = true;
    }
    const mode = this.#mode();
    const imbalance = largest(view.maps.map((map) => largest(map.imbalance)));
    this.#maxImbalance = Math.max(this.#maxImbalance, imbalance);
    this.#createLayers(view);
    const scale = this.#scale(mode, view);
    const { note, from, to } = MODES[mode];
    const max = scale.domain[1];
    const ends = /** @type {Record<string, string>} */ ({
      imbalance: `${fixed(max, 1)} rows`,
      saturated: count(max),
    });
    byId('map-legend').replaceChildren(...legend(scale, { from, to: ends[mode] ?? to }));
    const isPreviewed = PREVIEW_MODES.includes(mode) && this.#isPreview();
    byId('map-note').textContent = isPreviewed ? `If pruned now. ${note}` : note;
    view.maps.forEach((map, layer) => {
      const place = this.#layers[layer];
      if (!place) return;
      const at = (/** @type {Place | null} */ it) => (it?.layer === layer ? it.tile : null);
      const options = {
        cell: cellOf(map, view.maps),
        scale,
        theme: theme(),
        pinned: at(this.pinned),
        pointed: at(this.#pointed),
      };
      place.replaceChildren(layerMap(map, this.#values(mode, map), options));
    });
    const described = this.#pointed ?? this.pinned;
    const hint = 'Point at a tile to see its numbers; click to look inside.';
    byId('map-readout').textContent = described ? this.#describe(described) : hint;
    this.#refreshTools();
  }

  /** Creates the layers' elements for another network. @param {View} view */
  #createLayers(view) {
    const shape = view.maps.map((map) => `${map.name} ${map.across} ${map.down}`).join();
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#pointed = null;
    // A typical tile: in the middle of the last layer that is visible without scrolling.
    const last = Math.min(view.maps.length, VISIBLE_LAYERS) - 1;
    const tilesOfLast = view.maps[last]?.density.length ?? 0;
    this.pinned = tilesOfLast > 0 ? { layer: last, tile: Math.floor(tilesOfLast / 2) } : null;
    this.#layers = view.maps.map((map, layer) => this.#createLayer(map, layer));
    const rows = view.maps.map((map, layer) => {
      const { outputs = 0, inputs = 0, tiles = 0, groups = 1 } = view.analysis.layers[layer] ?? {};
      const inGroups = groups === 1 ? '' : ` in ${groups} groups`;
      const tileCount = `${tiles} ${tiles === 1 ? 'tile' : 'tiles'}`;
      const size = `${inputs} inputs → × ${outputs} outputs ↓${inGroups} · ${tileCount}`;
      const title = [make('b', { textContent: layerName(map.name) }), make('span', { textContent: size })];
      const name = make('p', { className: 'layer-name' }, ...title);
      return make('div', { className: 'layer' }, name, /** @type {HTMLElement} */ (this.#layers[layer]));
    });
    byId('map-list').replaceChildren(...rows);
    if (this.pinned) this.#onPin(this.pinned);
  }

  /** @param {LayerMap} map @param {number} layer */
  #createLayer(map, layer) {
    const node = make('div', { className: 'layer-map', tabIndex: 0, role: 'application' });
    const tiles = map.density.length;
    node.setAttribute(
      'aria-label',
      `Crossbars of ${layerName(map.name)}, ${tiles} tiles: arrow keys move, Enter looks inside`,
    );
    const placeAt = (/** @type {MouseEvent} */ event) => {
      const box = node.getBoundingClientRect();
      const cell = cellOf(map, this.#maps());
      const column = Math.floor((event.clientX - box.left) / cell);
      const tile = Math.floor((event.clientY - box.top) / cell) * map.across + column;
      return column >= 0 && column < map.across && tile >= 0 && tile < tiles ? { layer, tile } : null;
    };
    node.addEventListener('pointermove', (event) => this.#point(placeAt(event)));
    node.addEventListener('pointerleave', () => this.#point(null));
    node.addEventListener('click', (event) => this.#pin(placeAt(event)));
    node.addEventListener('focus', () => {
      if (!node.matches(':focus-visible')) return;
      this.#point(this.pinned?.layer === layer ? this.pinned : { layer, tile: 0 });
    });
    node.addEventListener('blur', () => this.#point(null));
    node.addEventListener('keydown', (event) => this.#key(event, layer));
    return node;
  }

  /** @param {KeyboardEvent} event @param {number} layer */
  #key(event, layer) {
    const map = this.#maps()[layer];
    if (!map) return;
    const tiles = map.density.length;
    const tile = this.#pointed?.layer === layer ? this.#pointed.tile : 0;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: tile - 1,
      ArrowRight: tile + 1,
      ArrowUp: tile - map.across,
      ArrowDown: tile + map.across,
      Home: 0,
      End: tiles - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      event.preventDefault();
      if (to >= 0 && to < tiles) this.#point({ layer, tile: to });
      announce(this.#describe(this.#pointed));
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#pin(this.#pointed ?? { layer, tile });
      announce(`Looking inside ${this.#describe(this.pinned)}`);
    }
  }

  /** @param {Place | null} place */
  #point(place) {
    if (place?.layer === this.#pointed?.layer && place?.tile === this.#pointed?.tile) return;
    this.#pointed = place;
    this.#draw();
  }

  /** @param {Place | null} place */
  #pin(place) {
    if (!place) return;
    this.pinned = place;
    this.#onPin(place);
    this.#draw();
    document.dispatchEvent(new CustomEvent('crossdub:pinned', { detail: place }));
  }

  /** @param {Place | null} place */
  #describe(place) {
    const map = place ? this.#maps()[place.layer] : undefined;
    if (!place || !map) return '';
    const { tile } = place;
    const at = (/** @type {number[]} */ values) => values[tile] ?? 0;
    // Tiles, rows and columns count from 0, here and in all files.
    const where = `row ${Math.floor(tile / map.across)}, column ${tile % map.across}`;
    return (
      `${layerName(map.name)}, tile ${tile} (${where}): density ${fixed(100 * at(map.density), 1)} %, ` +
      `imbalance ${fixed(at(map.imbalance), 2)} rows. ` +
      `${this.#isPreview() ? 'If pruned now' : 'Pruned'}: level ${at(map.level)}, ` +
      `${bits(at(map.bits_paper))} (paper), ${bits(at(map.bits_lossless))} (lossless).`
    );
  }
}

/** The largest value; `Math.max` does not take thousands of arguments. @param {number[]} values */
function largest(values) {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

/**
 * The side of a layer's tiles: the same in all layers if they fit, so that layers can be compared.
 * @param {LayerMap} map @param {LayerMap[]} all
 */
function cellOf(map, all) {
  const width = Math.max(200, byId('map-list').clientWidth);
  const common = Math.max(MIN_COMMON_CELL, width / largest(all.map(({ across }) => across)));
  const fitting = Math.min(MAX_CELL, common, width / map.across);
  // Below three pixels a whole number would waste a third of the width.
  return fitting >= 3 ? Math.floor(fitting) : fitting;
}
