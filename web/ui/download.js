/** Files handed to the user: made here, from what the page shows. */

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: address, download: name });
  link.click();
  // The browser reads the address after this task.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/**
 * @param {string[]} columns
 * @param {(string | number | null)[][]} rows
 */
export function csv(columns, rows) {
  const cell = (/** @type {string | number | null} */ value) => {
    const text = value === null ? '' : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return new Blob([[columns, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')], { type: 'text/csv' });
}

/** @param {unknown} value */
export function json(value) {
  return new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' });
}

/**
 * A drawing as a file of its own, with its ground and font.
 * @param {Element} svg
 * @param {string} ground
 */
export function svgFile(svg, ground) {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.style.background = ground;
  copy.style.fontFamily = 'system-ui, sans-serif';
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' });
}

/**
 * A drawing as pixels.
 * @param {Element} svg
 * @param {string} ground
 * @param {number} scale
 * @returns {Promise<Blob | null>}
 */
export async function svgAsPng(svg, ground, scale) {
  const address = URL.createObjectURL(svgFile(svg, ground));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement('canvas');
    const { width, height } = svg.getBoundingClientRect();
    canvas.width = Math.ceil(width * scale);
    canvas.height = Math.ceil(height * scale);
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve));
  } finally {
    URL.revokeObjectURL(address);
  }
}

/**
 * Canvases under each other, each with its title, as one picture.
 * @param {{ title: string, canvas: HTMLCanvasElement }[]} parts
 * @param {import('../messages').Theme} theme
 * @returns {Promise<Blob | null>}
 */
export function pngFile(parts, theme) {
  const ratio = Math.max(1, window.devicePixelRatio);
  const [pad, line] = [16 * ratio, 20 * ratio];
  const picture = document.createElement('canvas');
  picture.width = Math.max(320 * ratio, ...parts.map(({ canvas }) => canvas.width)) + 2 * pad;
  picture.height = parts.reduce((sum, { canvas }) => sum + canvas.height + line + pad, pad);
  const context = picture.getContext('2d');
  if (!context) return Promise.resolve(null);
  context.fillStyle = theme.ground;
  context.fillRect(0, 0, picture.width, picture.height);
  context.fillStyle = theme.ink;
  context.font = `${13 * ratio}px system-ui, sans-serif`;
  let y = pad;
  for (const { title, canvas } of parts) {
    context.fillText(title, pad, y + 12 * ratio);
    context.drawImage(canvas, pad, y + line);
    y += canvas.height + line + pad;
  }
  return new Promise((resolve) => picture.toBlob(resolve));
}
