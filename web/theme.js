/** The charts' colours, read from the style sheet, where each is named once. */

/** @typedef {import('./messages').Theme} Theme */

const darkness = matchMedia('(prefers-color-scheme: dark)');

/** @returns {Theme} */
export function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return {
    dark: darkness.matches,
    ink: colour('ink'),
    soft: colour('soft'),
    line: colour('line'),
    ground: colour('ground'),
    training: colour('training'),
    paper: colour('paper'),
    lossless: colour('lossless'),
    positive: colour('positive'),
    negative: colour('negative'),
  };
}

/** @param {() => void} redraw */
export function onThemeChange(redraw) {
  darkness.addEventListener('change', redraw);
}
