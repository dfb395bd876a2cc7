/** Kept runs in IndexedDB: a database of their own, one entry per run. */

import { clear, createStore, del, get, keys, set } from 'idb-keyval';

/** @typedef {import('../types/messages').KeptRun} KeptRun */

/** @type {ReturnType<typeof createStore> | undefined} */
let opened;

function store() {
  return (opened ??= createStore('crossdub-runs', 'reports'));
}

/** All kept runs, oldest first; none if this browser stores nothing. @returns {Promise<KeptRun[]>} */
export async function loadRuns() {
  try {
    const runs = await Promise.all((await keys(store())).map((key) => get(key, store())));
    return runs.filter(Boolean).sort((a, b) => a.when - b.when);
  } catch {
    return [];
  }
}

/** Whether it was stored: not in a private window, or if the disk is full. @param {KeptRun} run */
export async function saveRun(run) {
  return set(run.id, run, store()).then(
    () => true,
    () => false,
  );
}

/** @param {string} id */
export async function deleteRun(id) {
  await del(id, store()).catch(() => undefined);
}

export async function deleteAllRuns() {
  await clear(store()).catch(() => undefined);
}
