/** The legend of the maps: a ramp for continuous values, numbered swatches for ordered ones. */

/**
 * @param {import('./scales.js').TileScale} scale
 * @param {{ from: string, to: string }} ends what the two ends mean
 * @returns {Node[]}
 */
export function legend(scale, ends) {
  const text = (/** @type {string} */ textContent) =>
    Object.assign(document.createElement('span'), { textContent });
  return [text(ends.from), scale.ordered ? swatches(scale) : ramp(scale), text(ends.to)];
}

/** @param {import('./scales.js').TileScale} scale */
function ramp(scale) {
  const canvas = document.createElement('canvas');
  canvas.width = 96;
  canvas.height = 12;
  canvas.setAttribute('aria-hidden', 'true');
  const context = canvas.getContext('2d');
  const [low, high] = scale.domain;
  for (let x = 0; context && x < canvas.width; x += 1) {
    context.fillStyle = scale.colour(low + ((high - low) * x) / (canvas.width - 1));
    context.fillRect(x, 0, 1, canvas.height);
  }
  return canvas;
}

/** @param {import('./scales.js').TileScale} scale */
function swatches(scale) {
  const row = document.createElement('span');
  row.className = 'swatches';
  const [from, to] = scale.domain;
  const step = to >= from ? 1 : -1;
  for (let value = from; value !== to + step; value += step) {
    const swatch = document.createElement('i');
    swatch.textContent = String(value);
    swatch.style.background = scale.colour(value);
    swatch.style.color = scale.ink(value);
    row.append(swatch);
  }
  return row;
}
