/** Downloads of what the page displays: CSV, JSON, SVG and PNG. */

/**
 * @param {Blob} blob
 * @param {string} name
 */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  // The browser reads the URL after this task.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
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
  return new Blob([[columns, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')], {
    type: 'text/csv',
  });
}

/** @param {unknown} value */
export function json(value) {
  return new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' });
}

/** @typedef {import('../types/messages').Theme} Theme */

/** The legend under a drawing: font size, line height, and about the width of a letter. */
const KEY = { size: 11, line: 16, letter: 6.2 };

/** Text in lines of at most about this many letters. @param {string} text @param {number} letters */
function wrapped(text, letters) {
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < letters)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/**
 * Adds lines of text under a drawing.
 * @param {SVGElement} svg @param {string} text @param {string} colour
 */
function writeUnder(svg, text, colour) {
  const [width, height] = [Number(svg.getAttribute('width')), Number(svg.getAttribute('height'))];
  const lines = wrapped(text, width / KEY.letter);
  lines.forEach((words, at) => {
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'text');
    const attributes = {
      x: width / 2,
      y: height + KEY.line * (at + 0.8),
      fill: colour,
      'font-size': KEY.size,
      'text-anchor': 'middle',
    };
    for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, String(value));
    line.textContent = words;
    svg.append(line);
  });
  const whole = height + KEY.line * (lines.length + 0.5);
  svg.setAttribute('height', String(whole));
  svg.setAttribute('viewBox', `0 0 ${width} ${whole}`);
}

/**
 * A drawing as a file, with its background and font.
 * @param {Element} svg
 * @param {Theme} theme
 * @param {string} [key] the legend, written under it
 */
export function svgFile(svg, theme, key = '') {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  copy.style.background = theme.ground;
  copy.style.fontFamily = 'system-ui, sans-serif';
  if (key) writeUnder(copy, key, theme.soft);
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' });
}

/**
 * A drawing as PNG.
 * @param {Element} svg
 * @param {Theme} theme
 * @param {number} scale
 * @param {string} [key] the legend, written under it
 * @returns {Promise<Blob | null>}
 */
export async function svgAsPng(svg, theme, scale, key = '') {
  const url = URL.createObjectURL(svgFile(svg, theme, key));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    const { width, height } = image;
    canvas.width = Math.ceil(width * scale);
    canvas.height = Math.ceil(height * scale);
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob(resolve));
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Canvases below each other, each with its title, as one PNG.
 * @param {{ title: string, canvas: HTMLCanvasElement }[]} parts
 * @param {import('../types/messages').Theme} theme
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
