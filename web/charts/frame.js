/** What all charts over training steps share. */

import * as Plot from '@observablehq/plot';

/** @typedef {import('../types/messages').Theme} Theme */
/** @typedef {{ width: number, height: number, theme: Theme, pruned?: number | null }} Size `pruned`: the step after which the network was pruned */

/** Room for `100 %` and its tick, in the wider fonts that a saved drawing may be read with. */
const MARGIN_LEFT = 52;
/** Room for a curve's last value, the same in the charts under each other. */
export const BESIDE_CURVE = 62;

/**
 * @param {Size} size
 * @param {string} label what a screen reader says of the picture
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
  // The picture is one thing with one label; Plot's labels of its parts mean nothing to a listener.
  for (const part of node.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label');
  node.setAttribute('role', 'img');
  node.setAttribute('aria-label', label);
  return node;
}

/**
 * The axis of steps, from 0 to at least a few.
 * @param {number} last
 * @param {number} width
 * @param {string | null} [label] none where the chart below names the same axis
 * @returns {Plot.ScaleOptions}
 */
export function steps(last, width, label = null) {
  const ticks = Math.max(2, Math.round(width / 80));
  return {
    domain: [0, Math.max(20, last)],
    label,
    labelAnchor: 'center',
    labelArrow: 'none',
    labelOffset: 34,
    ticks,
    tickSize: 3,
  };
}

/**
 * Curves of other runs, behind the present one's.
 * @param {import('../types/messages').OtherCurve[]} others
 * @param {(history: import('../types/types').HistoryEntry[]) => { step: number, value: number }[]} points
 */
export function behind(others, points) {
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
 * A word beside a line at a step: on its left near the axis's end, where the curves' names stand.
 * @param {number} step @param {number} last the axis's last step
 */
export function beside(step, last) {
  return step > 0.75 * last
    ? { dx: -4, textAnchor: /** @type {const} */ ('end') }
    : { dx: 4, textAnchor: /** @type {const} */ ('start') };
}

/** A line where the network was pruned, and what follows is fine-tuning. @param {Size} size @param {number} [last] the axis's last step, where the line is named */
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
      ...beside(pruned, last),
      lineAnchor: 'top',
      fill: theme.soft,
      fontSize: 11,
    }),
  ];
}

/** The last step of any of these. @param {{ step: number }[][]} histories */
export function lastStep(...histories) {
  return Math.max(0, ...histories.map((history) => history.at(-1)?.step ?? 0));
}

/**
 * Grid lines that stay in the background.
 * @param {Theme} theme
 * @param {number} ticks
 */
export function grid(theme, ticks) {
  return Plot.gridY({ stroke: theme.line, strokeOpacity: 1, ticks });
}

/** @param {number} value */
export function short(value) {
  if (value === 0) return '0';
  return Math.abs(value) >= 1000 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/**
 * Ticks of a logarithmic axis: 1, 2 and 5 times powers of ten, or the powers alone where that is too many.
 * @param {number} low
 * @param {number} high
 */
export function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const factor of high / low > 300 ? [1] : [1, 2, 5]) ticks.push(Number(`${factor}e${power}`));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}
