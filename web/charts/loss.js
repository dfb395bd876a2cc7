/** Cross-entropy of each step, faint, with its running mean. */

import * as Plot from '@observablehq/plot';

import { BESIDE_CURVE, behind, frame, grid, lastStep, pruningMark, short, steps } from './frame.js';
import { smoothed, thinned } from './series.js';

/**
 * @param {import('../types/messages').Point[]} history
 * @param {import('./frame.js').Size} size
 * @param {import('../types/messages').OtherCurve[]} others
 * @param {string} empty said while there is no step
 */
export function lossChart(history, size, others, empty) {
  const { theme, width } = size;
  const curve = (/** @type {import('../types/types').HistoryEntry[]} */ entries) =>
    smoothed(thinned(entries, (point) => point.loss));
  const curves = others.map((other) => curve(other.history));
  const raw = thinned(history, (point) => point.loss);
  const mean = smoothed(raw);
  const last = mean.at(-1);
  const top = [raw, ...curves].flat().reduce((most, point) => Math.max(most, point.value), 0);
  const end = lastStep(history, ...curves);
  const label = last ? `Loss over ${last.step} steps, now about ${short(last.value)}` : 'Loss: no step yet';
  return frame(size, label, {
    x: steps(end, width),
    // One outlier must not flatten the rest; the axis covers what the running mean reaches, and half more.
    y: {
      domain: [0, Math.min(top, 1.5 * Math.max(0, ...[mean, ...curves].flat().map((p) => p.value))) || 2.5],
      label: null,
      ticks: 5,
      clamp: true,
    },
    marginRight: BESIDE_CURVE,
    marks: [
      grid(theme, 5),
      Plot.ruleY([0], { stroke: theme.soft }),
      ...pruningMark(size, end),
      ...behind(others, curve),
      // Loss curves fall: the upper right is free of them.
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
