/** The last run's checkpoint, kept in the browser so that a reload, or a lost device, can go on from it. */

import { createStore, del, get, set } from 'idb-keyval';

/** @typedef {import('../types/messages').Kept} Kept */

const KEY = 'last-run';

/** @type {ReturnType<typeof createStore> | undefined} */
let opened;

function store() {
  return (opened ??= createStore('crossdub', 'runs'));
}

/** @param {Kept} kept */
export async function keep(kept) {
  // A browser that stores nothing (a private window, a full disk) still trains.
  await set(KEY, kept, store()).catch(() => undefined);
}

/** @returns {Promise<Kept | undefined>} */
export async function kept() {
  try {
    return await get(KEY, store());
  } catch {
    return undefined;
  }
}

export async function forget() {
  await del(KEY, store()).catch(() => undefined);
}

/** What the page says of the kept run. */
export async function summary() {
  const last = await kept();
  return last ? { step: last.step, plan: last.spec.plan, data: last.spec.data, when: last.when } : null;
}
