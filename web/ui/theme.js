/** The charts' colours, read from the style sheet, where each is named once. */

/** @typedef {import('../types/messages').Theme} Theme */

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

/** Dashes, so that lines differ by more than colour. */
const DASHES = ['', '7,3', '2,3', '9,3,2,3', '4,2', '1,4'];

/** The styles of the current run's line (the first) and of the compared runs'. */
export function lineStyles() {
  const style = getComputedStyle(document.documentElement);
  const names = ['training', 'run-1', 'run-2', 'run-3', 'run-4', 'run-5'];
  return names.map((name, at) => ({
    colour: style.getPropertyValue(`--${name}`).trim(),
    dash: DASHES[at] ?? '',
  }));
}

/** @param {() => void} redraw */
export function onThemeChange(redraw) {
  darkness.addEventListener('change', redraw);
}
