/** The last run's checkpoint, saved in the browser: a reload, or a lost device, continues from it. */

import { createStore, del, get, set } from 'idb-keyval';

/** @typedef {import('../types/messages').SavedRun} SavedRun */

const KEY = 'last-run';

/** @type {ReturnType<typeof createStore> | undefined} */
let opened;

function store() {
  return (opened ??= createStore('crossdub', 'runs'));
}

/** @param {SavedRun} run */
export async function save(run) {
  // Training continues where a browser stores nothing (a private window, a full disk).
  await set(KEY, run, store()).catch(() => undefined);
}

/** @returns {Promise<SavedRun | undefined>} */
export async function load() {
  return get(KEY, store()).catch(() => undefined);
}

export async function forget() {
  await del(KEY, store()).catch(() => undefined);
}

/** What the page shows of the saved run. */
export async function summary() {
  const run = await load();
  return run ? { step: run.step, plan: run.spec.plan, data: run.spec.data, when: run.when } : null;
}
