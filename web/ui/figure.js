/** The tools of every figure: its numbers as a table, and downloads. */

import { csv, json, pngFile, save, svgAsPng, svgFile } from './download.js';
import { make } from './element.js';
import { theme } from './theme.js';

/**
 * @typedef {object} Figure
 * @property {string} name of the files
 * @property {string[]} columns
 * @property {() => (string | number | null)[][]} rows
 * @property {boolean} [newestFirst] reverses the table on the page; files keep the order
 * @property {() => unknown} json
 * @property {() => { title: string, canvas: HTMLCanvasElement }[]} [canvases] for pictures other than SVG
 * @property {() => string} [key] the legend, written under a saved drawing
 * @property {boolean} [hasPicture] false if there is only a table
 */

/** Pixels of a PNG for each point of the drawing. */
const PNG_SCALE = 2;

/** A longer table is for the CSV, not for reading. */
const MAX_ROWS = 250;
/** An open table is updated at reading speed. */
const REFRESH_MS = 2000;

/** @param {string | number | null} value */
function show(value) {
  if (value === null) return '–';
  if (typeof value === 'string' || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(4)));
}

/** @param {Figure} figure @param {string} title */
function table({ columns, rows, newestFirst = false }, title) {
  const all = newestFirst ? rows().reverse() : rows();
  const shown = all.slice(0, MAX_ROWS);
  const more =
    all.length > shown.length ? `; the first ${shown.length} of ${all.length} rows, all are in the CSV` : '';
  const head = make('tr', {}, ...columns.map((name) => make('th', { scope: 'col', textContent: name })));
  const body = shown.map((row) =>
    make('tr', {}, ...row.map((value) => make('td', { textContent: show(value) }))),
  );
  return make(
    'table',
    {},
    make('caption', {}, title + more),
    make('thead', {}, head),
    make('tbody', {}, ...body),
  );
}

/**
 * @param {HTMLElement} node the `<figure>`
 * @param {string} title
 * @param {Figure} figure
 * @returns {() => void} to call when the numbers have changed
 */
export function addTools(node, title, figure) {
  const scroll = make('div', {
    className: 'scroll',
    tabIndex: 0,
    role: 'region',
    ariaLabel: `${title}, table`,
  });
  const fill = () => scroll.replaceChildren(table(figure, title));
  /** @param {string} label @param {() => void} act */
  const button = (label, act) => {
    const it = make(
      'button',
      { type: 'button' },
      label,
      make('span', { className: 'unseen', textContent: ` of ${title}` }),
    );
    it.addEventListener('click', act);
    return it;
  };
  const file = `crossdub-${figure.name}`;
  const drawing = () => node.querySelector('.plot svg');
  const png = async () => {
    const svg = drawing();
    const blob = figure.canvases
      ? await pngFile(figure.canvases(), theme())
      : svg && (await svgAsPng(svg, theme(), PNG_SCALE, figure.key?.()));
    if (blob) save(blob, `${file}.png`);
  };
  const pictures = figure.hasPicture === false ? [] : [button('PNG', () => void png())];
  if (!figure.canvases && figure.hasPicture !== false) {
    pictures.unshift(
      button('SVG', () => {
        const svg = drawing();
        if (svg) save(svgFile(svg, theme(), figure.key?.()), `${file}.svg`);
      }),
    );
  }
  const buttons = [
    button('CSV', () => save(csv(figure.columns, figure.rows()), `${file}.csv`)),
    button('JSON', () => save(json(figure.json()), `${file}.json`)),
    ...pictures,
  ];
  const summary = make(
    'summary',
    {},
    'Data',
    make('span', { className: 'unseen', textContent: ` of ${title}` }),
  );
  const details = make(
    'details',
    { className: 'tools' },
    summary,
    make('p', {}, 'Download ', ...buttons),
    scroll,
  );
  details.addEventListener('toggle', () => (details.open ? fill() : scroll.replaceChildren()));
  node.querySelector('figcaption')?.after(details);
  let filled = 0;
  return () => {
    const now = performance.now();
    if (!details.open || now - filled < REFRESH_MS) return;
    filled = now;
    fill();
  };
}
