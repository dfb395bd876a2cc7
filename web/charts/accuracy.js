/** Accuracy on held-out images in percent, one dot for each measurement. */

import * as Plot from '@observablehq/plot';

import { lastStep, stepAxis } from './axes.js';
import { LABEL_MARGIN, comparedCurves, frame, pruningMark } from './frame.js';
import { downsample } from './series.js';

const TICKS = [0, 25, 50, 75, 100];

/**
 * @param {import('../types/messages').Point[]} history
 * @param {import('./frame.js').Size} size
 * @param {import('../types/messages').OtherCurve[]} [others]
 */
export function accuracyChart(history, size, others = []) {
  const { theme, width, classes } = size;
  // The accuracy of guessing among equally frequent classes, in percent.
  const chance = 100 / (classes ?? 10);
  const curve = (/** @type {import('../types/types').HistoryEntry[]} */ entries) =>
    downsample(entries, (point) => point.accuracy, 150);
  const points = curve(history);
  const last = points.at(-1);
  const percent = (/** @type {number} */ value) => `${value.toFixed(1)} %`;
  // The label would cover that of the line for guessing.
  const nearChance = last !== undefined && Math.abs(last.value - chance) < 12;
  const label = last
    ? `Held-out accuracy, ${percent(last.value)} at step ${last.step}`
    : 'Accuracy: not measured yet';
  return frame(size, label, {
    x: stepAxis(lastStep(history, ...others.map((other) => other.history)), width),
    y: { domain: [0, 100], label: null, ticks: TICKS, tickFormat: (/** @type {number} */ v) => `${v} %` },
    marginRight: LABEL_MARGIN,
    marks: [
      Plot.gridY(TICKS, { stroke: theme.line, strokeOpacity: 1 }),
      Plot.ruleY([0], { stroke: theme.soft }),
      Plot.ruleY([chance], { stroke: theme.soft, strokeDasharray: '2,3' }),
      Plot.text([chance], {
        y: (d) => d,
        frameAnchor: 'right',
        text: () => 'guessing',
        dx: 7,
        fill: theme.soft,
        textAnchor: 'start',
        fontSize: 11,
      }),
      ...pruningMark(size),
      ...comparedCurves(others, curve),
      Plot.lineY(points, { x: 'step', y: 'value', stroke: theme.training, strokeWidth: 1.8 }),
      Plot.dot(points, { x: 'step', y: 'value', r: points.length > 40 ? 1.5 : 2.6, fill: theme.training }),
      Plot.text(last ? [last] : [], {
        x: 'step',
        y: 'value',
        text: (p) => percent(p.value),
        dx: 7,
        dy: nearChance ? -13 : 0,
        textAnchor: 'start',
        fill: theme.ink,
        fontWeight: 600,
        stroke: theme.ground,
        strokeWidth: 4,
      }),
    ],
  });
}
