/** How many workers train a run on the CPU. */

/** With more there is little left to gain. */
const MAX_WORKERS = 8;
/** Images for each worker below which what does not shrink with them (weights, messages) costs more than is saved. */
const MIN_PART = 16;
/** Bytes that all replicas' images may take. */
const MAX_DATA_BYTES = 2 ** 30;

/**
 * How many workers train a run.
 * @param {object} options
 * @param {number | null} options.requested by the URL
 * @param {number} options.cores
 * @param {number} options.batch images of a step
 * @param {number} options.bytes of the images, which every worker has to hold
 */
export function workersFor({ requested, cores, batch, bytes }) {
  // One core draws the page; of two, that leaves one.
  const wanted = requested ?? Math.min(cores - 1, Math.floor(batch / MIN_PART));
  const held = bytes === 0 ? MAX_WORKERS : Math.floor(MAX_DATA_BYTES / bytes);
  return Math.max(1, Math.min(wanted, held, MAX_WORKERS));
}

/**
 * What `?workers=N` asks for: N workers that train on the CPU, `null` without it or if it is invalid.
 * @param {string} search
 * @returns {{ workers: number | null, invalid: string[] }}
 */
export function parseWorkers(search) {
  const text = new URLSearchParams(search).get('workers');
  if (text === null) return { workers: null, invalid: [] };
  const workers = /^\d+$/.test(text) ? Number(text) : 0;
  return workers >= 1 && workers <= MAX_WORKERS
    ? { workers, invalid: [] }
    : { workers: null, invalid: [`workers=${text} (1 to ${MAX_WORKERS})`] };
}
