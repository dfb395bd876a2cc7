/** The files of the run that can be taken away. */

import { stepsTaken } from '../state/known.js';
import { json, save } from './download.js';
import { byId } from './element.js';

/** @typedef {ReturnType<import('../api/api.js').makeApi>} Api */

/** @param {Api} api @param {import('../state/session.js').Session} session */
export function saveMenu(api, session) {
  const menu = /** @type {HTMLDetailsElement} */ (byId('save-menu'));
  /** @param {string} id @param {() => Promise<[Blob, string]>} make */
  const item = (id, make) =>
    byId(id).addEventListener('click', async () => {
      menu.open = false;
      // A refusal is said by `crossdub:error`.
      const file = await make().catch(() => null);
      if (file) save(...file);
    });
  /** What the files are of: the run at a step, or a dropped checkpoint. */
  const stem = () => {
    const { dropped } = session.state;
    return dropped ? dropped.replace(/\.\w+$/, '') : `crossdub-step-${stepsTaken(session.state)}`;
  };
  const binary = (/** @type {Uint8Array} */ bytes) =>
    new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)]);
  // A dropped checkpoint's weights are saved as the pruning that is previewed would leave them.
  item('save-weights', async () => [
    binary(await api.weights()),
    `${stem()}${session.state.dropped ? '-pruned' : ''}.safetensors`,
  ]);
  item('save-masks', async () => [binary(await api.masks()), `${stem()}-masks.safetensors`]);
  item('save-plan', async () => [
    new Blob([await api.adcPlan()], { type: 'text/csv' }),
    `${stem()}-adc-plan.csv`,
  ]);
  item('save-report', async () => {
    const report = await api.report();
    // Of a checkpoint as `crossdub analyze --json` prints it: the run that waits is another network.
    if ('checkpoint' in report) return [json(report.analysis), `${stem()}-analysis.json`];
    return [json(report), `${stem()}.json`];
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
