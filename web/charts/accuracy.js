/** Accuracy on held-out images in percent, a dot for each time it was measured. */

import * as Plot from '@observablehq/plot';

import { BESIDE_CURVE, behind, frame, lastStep, pruningMark, steps } from './frame.js';
import { thinned } from './series.js';

/** Both data sets have ten classes, equally frequent: percent that guessing gets right. */
const GUESSING = 10;
const TICKS = [0, 25, 50, 75, 100];

/**
 * @param {import('../types/messages').Point[]} history
 * @param {import('./frame.js').Size} size
 * @param {import('../types/messages').OtherCurve[]} [others]
 */
export function accuracyChart(history, size, others = []) {
  const { theme, width } = size;
  const curve = (/** @type {import('../types/types').HistoryEntry[]} */ entries) =>
    thinned(entries, (point) => point.accuracy, 150);
  const points = curve(history);
  const last = points.at(-1);
  const percent = (/** @type {number} */ value) => `${value.toFixed(1)} %`;
  // Its label would lie on that of the line for guessing.
  const nearGuessing = last !== undefined && Math.abs(last.value - GUESSING) < 12;
  const label = last
    ? `Held-out accuracy, ${percent(last.value)} at step ${last.step}`
    : 'Accuracy: not measured yet';
  return frame(size, label, {
    x: steps(lastStep(history, ...others.map((other) => other.history)), width),
    y: { domain: [0, 100], label: null, ticks: TICKS, tickFormat: (/** @type {number} */ v) => `${v} %` },
    marginRight: BESIDE_CURVE,
    marks: [
      Plot.gridY(TICKS, { stroke: theme.line, strokeOpacity: 1 }),
      Plot.ruleY([0], { stroke: theme.soft }),
      Plot.ruleY([GUESSING], { stroke: theme.soft, strokeDasharray: '2,3' }),
      Plot.text([GUESSING], {
        y: (d) => d,
        frameAnchor: 'right',
        text: () => 'guessing',
        dx: 7,
        fill: theme.soft,
        textAnchor: 'start',
        fontSize: 11,
      }),
      ...pruningMark(size),
      ...behind(others, curve),
      Plot.lineY(points, { x: 'step', y: 'value', stroke: theme.training, strokeWidth: 1.8 }),
      Plot.dot(points, { x: 'step', y: 'value', r: points.length > 40 ? 1.5 : 2.6, fill: theme.training }),
      Plot.text(last ? [last] : [], {
        x: 'step',
        y: 'value',
        text: (p) => percent(p.value),
        dx: 7,
        dy: nearGuessing ? -13 : 0,
        textAnchor: 'start',
        fill: theme.ink,
        fontWeight: 600,
        stroke: theme.ground,
        strokeWidth: 4,
      }),
    ],
  });
}
