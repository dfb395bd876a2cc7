/** The line under the controls: device, speed, progress, and time left. */

import { byId, make } from './element.js';
import { duration } from './format.js';

/** @typedef {import('../types/messages').State} State */

/** @param {State} state */
function deviceText({ run, spec, webgpu }) {
  if (!run) return '';
  if (run.device === 'webgpu') return `WebGPU: ${run.adapter || webgpu.adapter}`;
  // Why `auto` did not choose the GPU.
  let reason = '';
  if (spec?.device === 'auto') {
    if (!isSecureContext) reason = ' (WebGPU needs https or localhost)';
    else if (webgpu.state === 'none') reason = ' (this browser offers no WebGPU)';
    else if (webgpu.software) reason = ' (WebGPU here is a slower software adapter)';
    else if (webgpu.state === 'failed') reason = ' (WebGPU failed)';
    else if (webgpu.state === 'loading') reason = ' (WebGPU is loading)';
  }
  const workers = run.workers > 1 ? `, ${run.workers} workers` : '';
  return (run.adapter || 'CPU') + workers + reason;
}

/** Pairs of a label and a value; a sentence has no label. @param {State} state @returns {[string, string][]} */
function items(state) {
  const { run, lastStep, progress, running, busy, stages } = state;
  if (busy) return [['', busy]];
  if (!run || !progress)
    return [['', state.spec && state.spec.data !== 'builtin' ? 'Waiting for data.' : 'There is no run.']];
  /** @type {[string, string][]} */
  const list = [['on', deviceText(state)]];
  if (run.device === 'webgpu' && running && !lastStep) {
    list.push(['', 'The first step compiles the shaders: this may take a while.']);
  }
  const isPruned = stages.some((stage) => stage.kind === 'prune');
  const { step, total_steps: total, steps_per_epoch: stepsPerEpoch, finished } = progress;
  if (isPruned && step === 0) list.push(['', 'Pruned.']);
  else {
    const epochs = Math.round(total / stepsPerEpoch);
    const epoch = Math.min(epochs, Math.floor(step / stepsPerEpoch) + 1);
    const label = isPruned ? 'fine-tuning step' : 'step';
    list.push([label, `${step} of ${total}`], ['epoch', `${epoch} of ${epochs}`]);
  }
  if (lastStep?.images_per_second) {
    list.push(['images a second', String(Math.round(lastStep.images_per_second * 10) / 10)]);
  }
  if (finished) list.push(['', isPruned ? 'Fine-tuning is complete.' : 'Training is complete.']);
  else if (running && lastStep?.seconds_left) list.push(['left', `about ${duration(lastStep.seconds_left)}`]);
  else if (!running && step > 0) list.push(['', 'Paused.']);
  return list;
}

/** @param {string} label @param {string} value */
function item(label, value) {
  const bold = make('b', { textContent: value });
  if (label === '') return make('span', {}, bold);
  const isSuffix = label === 'images a second' || label === 'left';
  return isSuffix ? make('span', {}, bold, ` ${label}`) : make('span', {}, `${label} `, bold);
}

/** @param {import('../types/page').Page} page */
export function status({ store, renderer }) {
  const draw = () => {
    const state = store.getState();
    byId('status').replaceChildren(...items(state).map(([label, value]) => item(label, value)));
    const bar = /** @type {HTMLProgressElement} */ (byId('progress'));
    bar.value = state.progress ? state.progress.step / Math.max(1, state.progress.total_steps) : 0;
  };
  const selector = (/** @type {State} */ state) => {
    const { run, spec, webgpu, lastStep, progress, running, busy, stages } = state;
    return [run, spec, webgpu, lastStep, progress, running, busy, stages];
  };
  renderer.add(selector, draw, { isLight: true });
}
