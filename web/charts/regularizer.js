/** The regularization term on a logarithmic axis: by default, how unequal the columns of each tile are. */

import * as Plot from '@observablehq/plot';

import { lastStep, logTicks, shortNumber, stepAxis } from './axes.js';
import { LABEL_MARGIN, comparedCurves, frame, pruningMark } from './frame.js';
import { downsample } from './series.js';

/**
 * @param {import('../types/messages').Point[]} history
 * @param {import('./frame.js').Size} size
 * @param {import('../types/messages').OtherCurve[]} [others]
 */
export function regularizerChart(history, size, others = []) {
  const { theme, width } = size;
  const curve = (/** @type {import('../types/types').HistoryEntry[]} */ entries) =>
    downsample(entries, (point) => (point.regularizer > 0 ? point.regularizer : null));
  const points = curve(history);
  const curves = others.map((other) => curve(other.history));
  const last = points.at(-1);
  const values = [points, ...curves].flat().map((point) => point.value);
  const low = values.length > 0 ? Math.min(...values) : 1;
  const high = values.length > 0 ? Math.max(...values) : 10;
  // At least a factor of ten, so that noise looks small.
  const domain = [Math.min(low, high / 10) * 0.9, high * 1.1];
  const ticks = logTicks(domain[0] ?? 1, domain[1] ?? 10);
  const label = last
    ? `Regularizer, ${shortNumber(last.value)} at step ${last.step}`
    : 'Regularizer: no step yet';
  return frame(size, label, {
    x: stepAxis(lastStep(history, ...others.map((other) => other.history)), width, 'step'),
    y: { type: 'log', domain, label: null, ticks, tickFormat: shortNumber },
    marginBottom: 36,
    marginRight: LABEL_MARGIN,
    marks: [
      Plot.gridY(ticks, { stroke: theme.line, strokeOpacity: 1 }),
      ...pruningMark(size),
      ...comparedCurves(others, curve),
      Plot.lineY(points, { x: 'step', y: 'value', stroke: theme.training, strokeWidth: 1.8 }),
      Plot.text(last ? [last] : [], {
        x: 'step',
        y: 'value',
        text: (p) => shortNumber(p.value),
        dx: 6,
        textAnchor: 'start',
        fill: theme.ink,
        fontWeight: 600,
      }),
    ],
  });
}
