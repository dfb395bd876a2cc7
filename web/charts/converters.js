/** Energy per conversion against bits, for every ADC model, with the resolutions of the current tiles marked. */

import * as Plot from '@observablehq/plot';

import { logTicks, shortNumber } from './axes.js';
import { frame } from './frame.js';

/** @typedef {import('../types/types').AdcCurve} AdcCurve */

/**
 * @param {{ bits: number[], curves: AdcCurve[], chosen: string, used: { bits: number, tiles: number }[] }} data
 *   `used`: the number of the current network's tiles at each resolution
 * @param {import('./frame.js').Size} size
 */
export function convertersChart({ bits, curves, chosen, used }, size) {
  const { theme, width } = size;
  const points = curves.flatMap(({ model, energy, extrapolated }) =>
    bits.map((b, at) => ({
      model,
      bits: b,
      energy: energy[at] ?? 0,
      extrapolated: extrapolated[at] ?? false,
    })),
  );
  const values = points.map((point) => point.energy).filter((value) => value > 0);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ticks = logTicks(low, high);
  const last = bits.at(-1) ?? 1;
  const solid = points.map((point) => (point.extrapolated ? { ...point, energy: NaN } : point));
  // Dashed beyond the last point inside the model's range.
  const outside = (/** @type {number} */ at, /** @type {string} */ model) =>
    points[at]?.model === model && points[at]?.extrapolated;
  const dashed = points.map((point, at) =>
    [at - 1, at, at + 1].some((near) => outside(near, point.model)) ? point : { ...point, energy: NaN },
  );
  const line = (/** @type {typeof points} */ data, /** @type {string | undefined} */ dash) =>
    Plot.line(data, {
      x: 'bits',
      y: 'energy',
      z: 'model',
      strokeDasharray: dash,
      stroke: (point) => (point.model === chosen ? theme.training : theme.soft),
      strokeWidth: (point) => (point.model === chosen ? 2.6 : 1.1),
    });
  const name = (
    /** @type {ReturnType<typeof spreadLabels>} */ data,
    /** @type {string} */ fill,
    /** @type {number} */ fontWeight,
  ) =>
    Plot.text(data, {
      x: last,
      y: 'at',
      text: 'model',
      dx: 7,
      textAnchor: 'start',
      fontSize: 11,
      fill,
      fontWeight,
    });
  // Without room for all counts, only the widest bar gets one.
  const roomy = (width - 174) / (last - 1) >= 24;
  const most = Math.max(1, ...used.map((entry) => entry.tiles));
  const counted = roomy ? used : used.filter((entry) => entry.tiles === most).slice(0, 1);
  const named = spreadLabels(
    curves.map(({ model, energy }) => ({ model, energy: energy[bits.length - 1] ?? 1 })),
    low,
    high,
  );
  return frame(
    size,
    `Energy per conversion in picojoules for 1 to ${last} bits, by ${curves.length} models; ${chosen} is selected`,
    {
      x: {
        domain: [1, last],
        ticks: Math.min(last, Math.round(width / 45)),
        tickFormat: 'd',
        label: 'bits per conversion',
        labelAnchor: 'center',
        labelArrow: 'none',
        labelOffset: 34,
        tickSize: 3,
      },
      y: {
        type: 'log',
        domain: [low / 1.3, high * 1.3],
        ticks,
        tickFormat: (/** @type {number} */ v) => `${shortNumber(v)} pJ`,
        label: null,
      },
      marginLeft: 66,
      marginRight: 108,
      marginBottom: 40,
      marks: [
        Plot.gridY(ticks, { stroke: theme.line, strokeOpacity: 1 }),
        Plot.ruleX(used, {
          x: 'bits',
          stroke: theme.paper,
          strokeOpacity: 0.35,
          strokeWidth: (entry) => 3 + (9 * entry.tiles) / most,
        }),
        Plot.text(counted, {
          x: 'bits',
          frameAnchor: 'top',
          text: (entry) => String(entry.tiles),
          fill: theme.paper,
          fontSize: 11,
          dy: -9,
        }),
        line(solid, undefined),
        line(dashed, '2,3'),
        name(
          named.filter((entry) => entry.model !== chosen),
          theme.soft,
          400,
        ),
        name(
          named.filter((entry) => entry.model === chosen),
          theme.training,
          700,
        ),
        Plot.tip(
          points,
          Plot.pointer({
            x: 'bits',
            y: 'energy',
            fill: theme.ground,
            stroke: theme.line,
            maxRadius: 24,
            title: (point) =>
              `${point.model}, ${point.bits} bits\n${shortNumber(point.energy)} pJ` +
              (point.extrapolated ? ', extrapolated' : ''),
          }),
        ),
      ],
    },
  );
}

/**
 * Positions of labels on a logarithmic axis, in the order of their values and apart from each other.
 * @param {{ model: string, energy: number }[]} entries @param {number} low @param {number} high
 */
export function spreadLabels(entries, low, high) {
  const gap = (Math.log(high) - Math.log(low)) / 22;
  let free = Infinity;
  return entries
    .toSorted((a, b) => b.energy - a.energy)
    .map((entry) => {
      const at = Math.min(Math.log(entry.energy), free);
      free = at - gap;
      return { ...entry, at: Math.exp(at) };
    });
}
