/** Shared parts of the charts: frame, grid lines, and marks over training steps. */

import * as Plot from '@observablehq/plot';

import { labelSide } from './axes.js';

/** @typedef {import('../types/messages').Theme} Theme */

/**
 * @typedef {object} Size
 * @property {number} width
 * @property {number} height
 * @property {Theme} theme
 * @property {number} [classes] classes of the data
 * @property {number | null} [pruned] the step after which the network was pruned
 */

/** Room for `100 %` and its tick, also in the wider fonts of a saved drawing. */
const MARGIN_LEFT = 52;
/** Room for a curve's last value, so that stacked charts line up. */
export const LABEL_MARGIN = 62;

/**
 * @param {Size} size
 * @param {string} label for screen readers
 * @param {Plot.PlotOptions} options
 * @returns {SVGElement | HTMLElement}
 */
export function frame({ width, height, theme }, label, options) {
  const node = Plot.plot({
    width,
    height,
    marginTop: 12,
    marginRight: 16,
    marginBottom: 24,
    marginLeft: MARGIN_LEFT,
    ...options,
    style: {
      background: 'none',
      color: theme.soft,
      fontSize: '12px',
      fontFamily: 'inherit',
      overflow: 'visible',
    },
  });
  // One image with one label: Plot's labels of its parts mean nothing when read aloud.
  for (const part of node.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label');
  node.setAttribute('role', 'img');
  node.setAttribute('aria-label', label);
  return node;
}

/**
 * Curves of the compared runs, drawn behind the current run's.
 * @param {import('../types/messages').OtherCurve[]} others
 * @param {(history: import('../types/types').HistoryEntry[]) => { step: number, value: number }[]} points
 */
export function comparedCurves(others, points) {
  return others.map(({ history, colour, dash }) =>
    Plot.lineY(points(history), {
      x: 'step',
      y: 'value',
      stroke: colour,
      strokeWidth: 1.6,
      strokeDasharray: dash,
    }),
  );
}

/**
 * A line at the step where the network was pruned; fine-tuning follows it.
 * @param {Size} size
 * @param {number} [last] the last step drawn, where the line gets a label
 */
export function pruningMark({ pruned = null, theme }, last) {
  if (pruned === null) return [];
  const line = Plot.ruleX([pruned], { stroke: theme.ink, strokeWidth: 1, strokeDasharray: '4,3' });
  if (last === undefined) return [line];
  return [
    line,
    Plot.text([pruned], {
      x: (step) => step,
      frameAnchor: 'top',
      text: () => 'pruned',
      ...labelSide(pruned, last),
      lineAnchor: 'top',
      fill: theme.soft,
      fontSize: 11,
    }),
  ];
}

/**
 * Grid lines that stay in the background.
 * @param {Theme} theme
 * @param {number} ticks
 */
export function grid(theme, ticks) {
  return Plot.gridY({ stroke: theme.line, strokeOpacity: 1, ticks });
}
