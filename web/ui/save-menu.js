/** The files of the run that can be taken away. */

import { json, save } from './download.js';
import { byId } from './element.js';

/** @typedef {ReturnType<import('../api.js').makeApi>} Api */

/** @param {Api} api */
export function saveMenu(api) {
  const menu = /** @type {HTMLDetailsElement} */ (byId('save-menu'));
  /** @param {string} id @param {() => Promise<[Blob, string]>} make */
  const item = (id, make) =>
    byId(id).addEventListener('click', async () => {
      menu.open = false;
      // A refusal is said by `crossdub:error`.
      const file = await make().catch(() => null);
      if (file) save(...file);
    });
  item('save-weights', async () => {
    const bytes = await api.weights();
    const { training } = await api.report();
    return [new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)]), `crossdub-step-${training.step}.safetensors`];
  });
  item('save-report', async () => {
    const report = await api.report();
    return [json(report), `crossdub-step-${report.training.step}.json`];
  });
  addEventListener('click', (event) => {
    if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary')?.focus();
  });
}
