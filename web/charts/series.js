/** Long series made fit to draw: a chart shows a few hundred points, a run has many thousand. */

/**
 * At most `most` points: runs of neighbours become one point with their mean.
 * @template {{ step: number }} T
 * @param {T[]} points
 * @param {(point: T) => number | null} value
 * @param {number} [most]
 * @returns {{ step: number, value: number }[]} without the points that have no value
 */
export function thinned(points, value, most = 300) {
  const present = [];
  for (const point of points) {
    const v = value(point);
    if (v !== null && Number.isFinite(v)) present.push({ step: point.step, value: v });
  }
  const size = Math.ceil(present.length / most);
  if (size <= 1) return present;
  const result = [];
  for (let start = 0; start < present.length; start += size) {
    const bin = present.slice(start, start + size);
    const sum = bin.reduce((total, point) => total + point.value, 0);
    result.push({ step: bin.at(-1)?.step ?? 0, value: sum / bin.length });
  }
  return result;
}

/**
 * Exponential moving average, corrected for its start.
 * @param {{ step: number, value: number }[]} points
 * @param {number} [keep] share of the past that each point keeps
 */
export function smoothed(points, keep = 0.9) {
  let mean = 0;
  let weight = 0;
  return points.map(({ step, value }) => {
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return { step, value: mean / weight };
  });
}
