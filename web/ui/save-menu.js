/** The menu of files to save. */

import { totalSteps } from '../state/selectors.js';
import { json, save } from './download.js';
import { byId, make } from './element.js';

/** @param {import('../types/page').Page} page */
export function saveMenu({ api, store }) {
  const menu = /** @type {HTMLDetailsElement} */ (byId('save-menu'));
  /** @param {string} id @param {() => Promise<[Blob, string]>} create */
  const item = (id, create) =>
    byId(id).addEventListener('click', async () => {
      menu.open = false;
      // An error is reported as `crossdub:error`.
      const file = await create().catch(() => null);
      if (file) save(...file);
    });
  /** File names begin with the run's step, or with the opened file's name. */
  const stem = () => {
    const state = store.getState();
    return state.file ? state.file.name.replace(/\.\w+$/, '') : `crossdub-step-${totalSteps(state)}`;
  };
  const isOnnx = () => store.getState().file?.account?.format === 'onnx';
  const binary = (/** @type {Uint8Array} */ bytes) =>
    new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (bytes)]);
  // A checkpoint's weights are saved after the previewed pruning.
  item('save-weights', async () => [
    binary(await api.weights()),
    `${stem()}${store.getState().file ? '-pruned' : ''}.${isOnnx() ? 'onnx' : 'safetensors'}`,
  ]);
  store.subscribe(isOnnx, (onnx) => {
    byId('save-weights').replaceChildren(
      onnx ? 'Pruned model ' : 'Weights ',
      make('small', { textContent: onnx ? 'ONNX' : 'safetensors' }),
    );
  });
  item('save-masks', async () => [binary(await api.masks()), `${stem()}-masks.safetensors`]);
  item('save-plan', async () => [
    new Blob([await api.adcPlan()], { type: 'text/csv' }),
    `${stem()}-adc-plan.csv`,
  ]);
  item('save-report', async () => {
    const report = await api.report();
    // A checkpoint's as `crossdub analyze --json` prints it: the waiting run is another network.
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
