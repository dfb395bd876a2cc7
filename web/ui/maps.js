/** The crossbar maps: which tile is pointed at, which is pinned, and the exact numbers in words. */

import { layerMap } from '../charts/layer-map.js';
import { legend } from '../charts/legend.js';
import { bitsScale, densityScale, imbalanceScale, levelScale, saturationScale } from '../charts/scales.js';
import { isPreviewed } from '../state/known.js';
import { theme } from './theme.js';
import { byId, make } from './element.js';
import { addTools } from './figure.js';
import { announce } from './live.js';
import { bitsOf } from './energy.js';
import { layerName } from './words.js';

/** @typedef {import('../types/types').LayerMap} LayerMap */
/** @typedef {import('../types/types').View} View */
/** @typedef {{ layer: number, tile: number }} Place */
/** @typedef {'density' | 'imbalance' | 'level' | 'bits' | 'saturated'} Mode */

/** What the tiles' colours say of a pruning, not of the weights as they are. @type {Mode[]} */
const PREVIEWED = ['level', 'bits'];

/** A tile is drawn no larger than this. */
const LARGEST_CELL = 28;
/** So many layers of a deep network are seen without scrolling, about. */
const SEEN_LAYERS = 8;
/** Nor, for the sake of one wide layer, smaller than this in all. */
const SMALLEST_COMMON_CELL = 7;

/** @type {Record<Mode, { values: (map: LayerMap) => number[], note: string, from: string, to: string }>} */
const MODES = {
  density: {
    values: (map) => map.density,
    note: 'Share of rows that a column effectively uses (Hoyer density), mean over a tile.',
    from: 'sparse 0 %',
    to: '100 % dense',
  },
  imbalance: {
    values: (map) => map.imbalance,
    note: 'How far a tile’s columns differ, in rows; one ADC setting serves all.',
    from: 'balanced 0',
    to: '',
  },
  level: {
    values: (map) => map.level,
    note: 'At level k at most 1 in 2ᵏ of a column’s rows stays active.',
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
    note: 'Conversions whose sum had no code, in the simulation of section 5.',
    from: 'none 0',
    to: '',
  },
};

/** @param {number} value @param {number} digits */
const fixed = (value, digits) => value.toFixed(digits);

/** @param {number} count */
const bits = (count) => `${count} ${count === 1 ? 'bit' : 'bits'}`;

export class Maps {
  /** @type {Place | null} */
  pinned = null;
  #session;
  #pin;
  /** @type {Place | null} */
  #pointed = null;
  /** @type {HTMLElement[]} one element a layer, kept while it is drawn anew, so that focus stays */
  #layers = [];
  /** The imbalance scale only grows, so that a falling imbalance is seen to fall. */
  #mostImbalance = 0;
  #shape = '';
  #follow;

  /**
   * @param {import('../state/session.js').Session} session
   * @param {(place: Place) => void} pin
   */
  constructor(session, pin) {
    this.#session = session;
    this.#pin = pin;
    byId('map-mode').addEventListener('change', () => this.draw());
    this.#follow = addTools(byId('maps'), 'Crossbar maps', {
      name: 'crossbars',
      columns: [
        'layer',
        'tile',
        'row',
        'column',
        'density',
        'imbalance',
        'level',
        'bits (paper)',
        'bits (lossless)',
      ],
      rows: () => this.#rows(),
      json: () => ({ analysis: this.#session.state.view?.analysis, maps: this.#maps() }),
      canvases: () =>
        this.#layers.map((layer, index) => ({
          title: layerName(this.#maps()[index]?.name ?? ''),
          canvas: /** @type {HTMLCanvasElement} */ (layer.querySelector('canvas')),
        })),
    });
  }

  #previewed() {
    return isPreviewed(this.#session.state);
  }

  #maps() {
    return this.#session.state.view?.maps ?? [];
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
    if (mode === 'bits')
      return bitsScale(largest(this.#maps().map((map) => largest(this.#values(mode, map)))), colours);
    if (mode === 'saturated')
      return saturationScale(
        Math.max(1, largest(this.#maps().map((map) => largest(this.#values(mode, map))))),
        colours,
      );
    return imbalanceScale(this.#mostImbalance || 1, colours);
  }

  /** What the tiles are coloured by. @param {Mode} mode @param {LayerMap} map */
  #values(mode, map) {
    const { hardware, proof } = this.#session.state;
    if (mode === 'bits' && hardware) return bitsOf(map, hardware);
    if (mode === 'saturated')
      return (
        proof?.layers.find((layer) => layer.name === map.name)?.saturated_by_tile ??
        MODES.saturated.values(map)
      );
    return MODES[mode].values(map);
  }

  /** Another run: its scales and its pinned tile start afresh. */
  reset() {
    this.#mostImbalance = 0;
  }

  draw() {
    const { view } = this.#session.state;
    if (!view) return;
    const saturated = byId('saturated-mode');
    saturated.hidden = !this.#session.state.proof;
    if (saturated.hidden && this.#mode() === 'saturated')
      /** @type {HTMLInputElement} */ (byId('map-mode').querySelector('input')).checked = true;
    const mode = this.#mode();
    const seen = largest(view.maps.map((map) => largest(map.imbalance)));
    this.#mostImbalance = Math.max(this.#mostImbalance, seen);
    this.#lay(view);
    const scale = this.#scale(mode, view);
    const { note, from, to } = MODES[mode];
    const end =
      mode === 'imbalance'
        ? `${fixed(scale.domain[1], 1)} rows`
        : mode === 'saturated'
          ? scale.domain[1].toLocaleString('en')
          : to;
    byId('map-legend').replaceChildren(...legend(scale, { from, to: end }));
    byId('map-note').textContent =
      PREVIEWED.includes(mode) && this.#previewed() ? `If pruned now. ${note}` : note;
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
    this.#describe();
    this.#follow();
  }

  /** Makes the layers' elements where the network is another one. @param {View} view */
  #lay(view) {
    const shape = view.maps.map((map) => `${map.name} ${map.across} ${map.down}`).join();
    if (shape === this.#shape) return;
    this.#shape = shape;
    this.#pointed = null;
    // The middle of the last layer, or of the last that is seen without scrolling: a tile like most.
    const layer = Math.min(view.maps.length, SEEN_LAYERS) - 1;
    const tiles = view.maps[layer]?.density.length ?? 0;
    this.pinned = tiles > 0 ? { layer, tile: Math.floor(tiles / 2) } : null;
    this.#layers = view.maps.map((map, layer) => this.#layer(map, layer));
    const rows = view.maps.map((map, layer) => {
      const { outputs = 0, inputs = 0, tiles: count = 0 } = view.analysis.layers[layer] ?? {};
      const { groups = 1 } = view.analysis.layers[layer] ?? {};
      const each = groups === 1 ? '' : ` in ${groups} groups`;
      const size = `${inputs} inputs → × ${outputs} outputs ↓${each} · ${count} ${count === 1 ? 'tile' : 'tiles'}`;
      const name = make(
        'p',
        { className: 'layer-name' },
        make('b', { textContent: layerName(map.name) }),
        make('span', { textContent: size }),
      );
      return make('div', { className: 'layer' }, name, /** @type {HTMLElement} */ (this.#layers[layer]));
    });
    byId('map-list').replaceChildren(...rows);
    if (this.pinned) this.#pin(this.pinned);
  }

  /** @param {LayerMap} map @param {number} layer */
  #layer(map, layer) {
    const node = make('div', { className: 'layer-map', tabIndex: 0, role: 'application' });
    const tiles = map.density.length;
    node.setAttribute(
      'aria-label',
      `Crossbars of ${layerName(map.name)}, ${tiles} tiles: arrow keys move, Enter looks inside`,
    );
    const under = (/** @type {MouseEvent} */ event) => {
      const box = node.getBoundingClientRect();
      const cell = cellOf(map, this.#maps());
      const column = Math.floor((event.clientX - box.left) / cell);
      const tile = Math.floor((event.clientY - box.top) / cell) * map.across + column;
      return column >= 0 && column < map.across && tile >= 0 && tile < tiles ? { layer, tile } : null;
    };
    node.addEventListener('pointermove', (event) => this.#point(under(event)));
    node.addEventListener('pointerleave', () => this.#point(null));
    node.addEventListener('click', (event) => this.#choose(under(event)));
    node.addEventListener('focus', () => {
      if (node.matches(':focus-visible'))
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
      announce(this.#words(this.#pointed));
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#choose(this.#pointed ?? { layer, tile });
      announce(`Looking inside ${this.#words(this.pinned)}`);
    }
  }

  /** @param {Place | null} place */
  #point(place) {
    if (place?.layer === this.#pointed?.layer && place?.tile === this.#pointed?.tile) return;
    this.#pointed = place;
    this.draw();
  }

  /** @param {Place | null} place */
  #choose(place) {
    if (!place) return;
    this.pinned = place;
    this.#pin(place);
    this.draw();
    document.dispatchEvent(new CustomEvent('crossdub:pinned', { detail: place }));
  }

  #describe() {
    const place = this.#pointed ?? this.pinned;
    byId('map-readout').textContent = place
      ? this.#words(place)
      : 'Point at a tile to see its numbers; click to look inside.';
  }

  /** @param {Place | null} place */
  #words(place) {
    const map = place ? this.#maps()[place.layer] : undefined;
    if (!place || !map) return '';
    const { tile } = place;
    const of = (/** @type {number[]} */ values) => values[tile] ?? 0;
    // Counted from 0 as the tiles are, here and in all files.
    const where = `row ${Math.floor(tile / map.across)}, column ${tile % map.across}`;
    return (
      `${layerName(map.name)}, tile ${tile} (${where}): density ${fixed(100 * of(map.density), 1)} %, ` +
      `imbalance ${fixed(of(map.imbalance), 2)} rows. ${this.#previewed() ? 'If pruned now' : 'Pruned'}: level ${of(map.level)}, ` +
      `${bits(of(map.bits_paper))} (paper), ${bits(of(map.bits_lossless))} (lossless).`
    );
  }
}

/** A network may have thousands of tiles: too many for the arguments of Math.max. @param {number[]} values */
function largest(values) {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

/**
 * A tile is drawn as large in every layer, so that layers compare; smaller only where a layer is too wide for that.
 * @param {LayerMap} map @param {LayerMap[]} all
 */
function cellOf(map, all) {
  const width = Math.max(200, byId('map-list').clientWidth);
  const common = Math.max(SMALLEST_COMMON_CELL, width / largest(all.map(({ across }) => across)));
  const fitting = Math.min(LARGEST_CELL, common, width / map.across);
  // Below three pixels a whole number would waste a third of the width.
  return fitting >= 3 ? Math.floor(fitting) : fitting;
}
