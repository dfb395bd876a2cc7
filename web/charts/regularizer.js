/** The regularizer’s value on a logarithmic axis: by default how unequally dense the columns of the tiles are. */

import * as Plot from '@observablehq/plot';

import { BESIDE_CURVE, behind, frame, lastStep, logTicks, pruningMark, short, steps } from './frame.js';
import { thinned } from './series.js';

/**
 * @param {import('../types/messages').Point[]} history
 * @param {import('./frame.js').Size} size
 * @param {import('../types/messages').OtherCurve[]} [others]
 */
export function regularizerChart(history, size, others = []) {
  const { theme, width } = size;
  const curve = (/** @type {import('../types/types').HistoryEntry[]} */ entries) =>
    thinned(entries, (point) => (point.regularizer > 0 ? point.regularizer : null));
  const points = curve(history);
  const curves = others.map((other) => curve(other.history));
  const last = points.at(-1);
  const values = [points, ...curves].flat().map((point) => point.value);
  const low = values.length > 0 ? Math.min(...values) : 1;
  const high = values.length > 0 ? Math.max(...values) : 10;
  // At least a factor of ten, or noise would look like a landslide.
  const domain = [Math.min(low, high / 10) * 0.9, high * 1.1];
  const ticks = logTicks(domain[0] ?? 1, domain[1] ?? 10);
  const label = last ? `Regularizer, ${short(last.value)} at step ${last.step}` : 'Regularizer: no step yet';
  return frame(size, label, {
    x: steps(lastStep(history, ...others.map((other) => other.history)), width, 'step'),
    y: { type: 'log', domain, label: null, ticks, tickFormat: short },
    marginBottom: 36,
    marginRight: BESIDE_CURVE,
    marks: [
      Plot.gridY(ticks, { stroke: theme.line, strokeOpacity: 1 }),
      ...pruningMark(size),
      ...behind(others, curve),
      Plot.lineY(points, { x: 'step', y: 'value', stroke: theme.training, strokeWidth: 1.8 }),
      Plot.text(last ? [last] : [], {
        x: 'step',
        y: 'value',
        text: (p) => short(p.value),
        dx: 6,
        textAnchor: 'start',
        fill: theme.ink,
        fontWeight: 600,
      }),
    ],
  });
}
