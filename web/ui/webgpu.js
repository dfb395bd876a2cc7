/** The run's way to WebGPU and back: when it moves, and the one message that says which device trains, and why. */

import { currentStage, totalSteps } from '../state/selectors.js';
import { ignoreReported } from './element.js';
import { dismiss, show } from './messages.js';

/** @typedef {import('../types/page').Page} Page */
/** @typedef {import('../types/messages').State} State */

/** @param {Page} page */
export function webgpuMoves({ store, client }) {
  const takeWebGpu = async () => {
    const state = store.getState();
    if (!state.running && totalSteps(state) === 0 && currentStage(state) === 'train') {
      // Nothing is lost by restarting on the requested device.
      await client.reset();
      return;
    }
    await client.moveToWebGpu();
    const { run, webgpu } = store.getState();
    if (run?.device !== 'webgpu') return;
    const text = `The run continues on WebGPU (${webgpu.adapter}): its self-test agrees with the CPU’s.`;
    show('webgpu', { text });
  };

  store.subscribe(fallbackReason, (text) => text && show('webgpu', { text }));
  store.subscribe(
    ({ run }) => run,
    () => fallbackReason(store.getState()) || dismiss('webgpu'),
  );
  store.subscribe(isWaitingForWebGpu, (isWaiting) => isWaiting && ignoreReported(takeWebGpu()));
}

/**
 * A run begins on the CPU at once, and moves to the GPU when its shaders are compiled and its self-test agrees.
 * @param {State} state
 */
export function isWaitingForWebGpu({ webgpu, run, spec, file, simulating }) {
  // A move returns to the run: it would close an opened file, and end a simulation.
  if (file || simulating) return false;
  if (webgpu.state !== 'ready' || run?.device !== 'cpu' || run.fallback) return false;
  return spec?.device === 'webgpu' || (spec?.device === 'auto' && !webgpu.software);
}

/**
 * Why the run is on the CPU though a GPU was asked for. The run knows more than the GPU's state: where it goes on from.
 * @param {State} state
 * @returns {string}
 */
export function fallbackReason({ run, webgpu, spec }) {
  if (run?.fallback) return run.fallback;
  if (webgpu.state !== 'failed' || !spec || spec.device === 'cpu') return '';
  return `WebGPU can't be used: ${webgpu.reason}. Training on the CPU instead.`;
}
