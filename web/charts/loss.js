/** Cross-entropy of each step, faint, and its moving average. */

import * as Plot from '@observablehq/plot';

import { lastStep, shortNumber, stepAxis } from './axes.js';
import { LABEL_MARGIN, comparedCurves, frame, grid, pruningMark } from './frame.js';
import { movingAverage, downsample } from './series.js';

/**
 * @param {import('../types/messages').Point[]} history
 * @param {import('./frame.js').Size} size
 * @param {import('../types/messages').OtherCurve[]} others
 * @param {string} empty shown before the first step
 */
export function lossChart(history, size, others, empty) {
  const { theme, width } = size;
  const curve = (/** @type {import('../types/types').HistoryEntry[]} */ entries) =>
    movingAverage(downsample(entries, (point) => point.loss));
  const curves = others.map((other) => curve(other.history));
  const raw = downsample(history, (point) => point.loss);
  const mean = movingAverage(raw);
  const last = mean.at(-1);
  const top = [raw, ...curves].flat().reduce((most, point) => Math.max(most, point.value), 0);
  const end = lastStep(history, ...curves);
  const label = last
    ? `Loss over ${last.step} steps, now about ${shortNumber(last.value)}`
    : 'Loss: no step yet';
  return frame(size, label, {
    x: stepAxis(end, width),
    // The axis ends at 1.5 times the largest average, so that an outlier doesn't flatten the rest.
    y: {
      domain: [0, Math.min(top, 1.5 * Math.max(0, ...[mean, ...curves].flat().map((p) => p.value))) || 2.5],
      label: null,
      ticks: 5,
      clamp: true,
    },
    marginRight: LABEL_MARGIN,
    marks: [
      grid(theme, 5),
      Plot.ruleY([0], { stroke: theme.soft }),
      ...pruningMark(size, end),
      ...comparedCurves(others, curve),
      // Loss curves fall, so the upper right is free.
      Plot.text(last ? [] : [empty], {
        frameAnchor: curves.length > 0 ? 'top-right' : 'middle',
        text: (d) => d,
        fill: theme.soft,
        fontSize: 13,
        dy: curves.length > 0 ? 6 : 0,
        stroke: theme.ground,
        strokeWidth: 6,
      }),
      Plot.lineY(raw, { x: 'step', y: 'value', stroke: theme.training, strokeOpacity: 0.3, strokeWidth: 1 }),
      Plot.lineY(mean, { x: 'step', y: 'value', stroke: theme.training, strokeWidth: 2.2 }),
      Plot.dot(last ? [last] : [], { x: 'step', y: 'value', r: 3, fill: theme.training }),
      Plot.text(last ? [last] : [], {
        x: 'step',
        y: 'value',
        text: (p) => p.value.toFixed(2),
        dx: 8,
        textAnchor: 'start',
        fill: theme.ink,
        fontWeight: 600,
      }),
    ],
  });
}
