/** Where kept runs lie: a database of this browser, one entry a run. Nothing else of the page is in it. */

import { clear, createStore, del, get, keys, set } from 'idb-keyval';

/** @typedef {import('../types/messages').KeptRun} KeptRun */

/** @type {ReturnType<typeof createStore> | undefined} */
let opened;

function store() {
  return (opened ??= createStore('crossdub-runs', 'reports'));
}

/** All kept runs, the oldest first. A browser that stores nothing has none. @returns {Promise<KeptRun[]>} */
export async function all() {
  try {
    const runs = await Promise.all((await keys(store())).map((key) => get(key, store())));
    return runs.filter(Boolean).sort((a, b) => a.when - b.when);
  } catch {
    return [];
  }
}

/** Whether the browser took it: a private window or a full disk does not. @param {KeptRun} run */
export async function put(run) {
  return set(run.id, run, store()).then(
    () => true,
    () => false,
  );
}

/** @param {string} id */
export async function drop(id) {
  await del(id, store()).catch(() => undefined);
}

export async function dropAll() {
  await clear(store()).catch(() => undefined);
}
