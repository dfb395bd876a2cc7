/** The regularizer’s value on a logarithmic axis: by default how unequally dense the columns of the tiles are. */

import * as Plot from '@observablehq/plot';

import { frame, logTicks, short, steps } from './frame.js';
import { thinned } from './series.js';

/**
 * @param {import('../messages').Point[]} history
 * @param {import('./frame.js').Size} size
 */
export function regularizerChart(history, size) {
  const { theme, width } = size;
  const points = thinned(history, (point) => (point.regularizer > 0 ? point.regularizer : null));
  const last = points.at(-1);
  const values = points.map((point) => point.value);
  const low = values.length > 0 ? Math.min(...values) : 1;
  const high = values.length > 0 ? Math.max(...values) : 10;
  // At least a factor of ten, or noise would look like a landslide.
  const domain = [Math.min(low, high / 10) * 0.9, high * 1.1];
  const ticks = logTicks(domain[0] ?? 1, domain[1] ?? 10);
  const label = last ? `Regularizer, ${short(last.value)} at step ${last.step}` : 'Regularizer: no step yet';
  return frame(size, label, {
    x: steps(history.at(-1)?.step ?? 0, width, 'step'),
    y: { type: 'log', domain, label: null, ticks, tickFormat: short },
    marginBottom: 36,
    marginRight: 44,
    marks: [
      Plot.gridY(ticks, { stroke: theme.line, strokeOpacity: 1 }),
      Plot.lineY(points, { x: 'step', y: 'value', stroke: theme.training, strokeWidth: 1.8 }),
      Plot.text(last ? [last] : [], {
        x: 'step', y: 'value', text: (p) => short(p.value), dx: 6, textAnchor: 'start', fill: theme.ink, fontWeight: 600,
      }),
    ],
  });
}
