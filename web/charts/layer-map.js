/** The tiles of one layer on a canvas: outputs run down, inputs run right. */

/**
 * @typedef {object} LayerMapOptions
 * @property {number} cell width of a tile in CSS pixels, including the gap
 * @property {import('./scales.js').TileScale} scale
 * @property {import('../types/messages').Theme} theme
 * @property {number | null} pinned
 * @property {number | null} pointed
 */

/**
 * @param {{ across: number, down: number }} shape
 * @param {number[]} values one per tile
 * @param {LayerMapOptions} options
 * @returns {HTMLCanvasElement}
 */
export function layerMap({ across, down }, values, { cell, scale, theme, pinned, pointed }) {
  const canvas = document.createElement('canvas');
  const ratio = Math.max(1, window.devicePixelRatio);
  canvas.width = Math.ceil(across * cell * ratio);
  canvas.height = Math.ceil(down * cell * ratio);
  canvas.style.width = `${across * cell}px`;
  canvas.style.height = `${down * cell}px`;
  canvas.setAttribute('aria-hidden', 'true');
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  context.scale(ratio, ratio);
  const gap = cell >= 10 ? 2 : cell >= 5 ? 1 : 0;
  const place = (/** @type {number} */ tile) => [(tile % across) * cell, Math.floor(tile / across) * cell];
  context.font = `600 ${Math.min(12, Math.round(cell * 0.45))}px system-ui, sans-serif`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  values.forEach((value, tile) => {
    const [x = 0, y = 0] = place(tile);
    context.fillStyle = scale.colour(value);
    context.fillRect(x, y, cell - gap, cell - gap);
    // Where there is room, ordered values are also written: colour alone is not enough.
    if (!scale.ordered || cell < 17) return;
    context.fillStyle = scale.ink(value);
    context.fillText(String(value), x + (cell - gap) / 2, y + (cell - gap) / 2 + 0.5);
  });
  const ring = (/** @type {number | null} */ tile, /** @type {string} */ colour) => {
    if (tile === null || tile >= values.length) return;
    const [x = 0, y = 0] = place(tile);
    const side = Math.max(5, cell - gap);
    // Two strokes, so that the ring stands out from any colour.
    context.lineWidth = 4;
    context.strokeStyle = theme.ground;
    context.strokeRect(x + 1, y + 1, side - 2, side - 2);
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.strokeRect(x + 1, y + 1, side - 2, side - 2);
  };
  ring(pinned, theme.ink);
  ring(pointed, theme.soft);
  return canvas;
}
