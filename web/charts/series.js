/** Downsamples and smooths series: a chart shows hundreds of points, a run has thousands. */

/**
 * At most `most` points: neighbours are averaged, at the step of the last of them.
 * @template {{ step: number }} T
 * @param {T[]} points
 * @param {(point: T) => number | null} value
 * @param {number} [most]
 * @returns {{ step: number, value: number }[]} points without a value are left out
 */
export function downsample(points, value, most = 300) {
  const known = [];
  for (const point of points) {
    const v = value(point);
    if (v !== null && Number.isFinite(v)) known.push({ step: point.step, value: v });
  }
  const size = Math.ceil(known.length / most);
  if (size <= 1) return known;
  const result = [];
  for (let start = 0; start < known.length; start += size) {
    const bin = known.slice(start, start + size);
    const sum = bin.reduce((total, point) => total + point.value, 0);
    result.push({ step: bin.at(-1)?.step ?? 0, value: sum / bin.length });
  }
  return result;
}

/**
 * Exponential moving average with bias correction, as in Adam.
 * @param {{ step: number, value: number }[]} points
 * @param {number} [decay]
 */
export function movingAverage(points, decay = 0.9) {
  let mean = 0;
  let weight = 0;
  return points.map(({ step, value }) => {
    mean = decay * mean + (1 - decay) * value;
    weight = decay * weight + (1 - decay);
    return { step, value: mean / weight };
  });
}
