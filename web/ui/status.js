/** The line under the controls: what computes, how fast, how far, how long still. */

import { byId, make } from './element.js';

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {import('../state/session.js').Session['state']} state */
function device({ opened, spec, webgpu }) {
  if (!opened) return '';
  if (opened.device === 'webgpu') return `WebGPU: ${opened.adapter || webgpu.adapter}`;
  // Why it is not the GPU, where nobody asked for the CPU.
  const why =
    spec?.device !== 'auto'
      ? ''
      : webgpu.state === 'none'
        ? isSecureContext
          ? ' (this browser offers no WebGPU)'
          : ' (WebGPU needs https or localhost)'
        : webgpu.software
          ? ' (WebGPU here is a slower software adapter)'
          : webgpu.state === 'failed'
            ? ' (WebGPU failed)'
            : webgpu.state === 'loading'
              ? ' (WebGPU is being loaded)'
              : '';
  return (opened.adapter || 'CPU') + why;
}

/** @param {import('../state/session.js').Session['state']} state */
function parts(state) {
  const { opened, progress, position, running, busy, stages } = state;
  if (busy) return [['', busy]];
  if (!opened || !position)
    return [['', state.spec?.data === 'cifar10' ? 'Waiting for data.' : 'There is no run.']];
  const list = [['on', device(state)]];
  const compiling = opened.device === 'webgpu' && running && !progress;
  if (compiling) list.push(['', 'The first step compiles the shaders: this may take a while.']);
  const tuning = stages.some((stage) => stage.kind === 'prune');
  const { step, total_steps, steps_per_epoch, finished } = position;
  if (tuning && step === 0) list.push(['', 'Pruned.']);
  else {
    const epochs = Math.round(total_steps / steps_per_epoch);
    const epoch = Math.min(epochs, Math.floor(step / steps_per_epoch) + 1);
    list.push(
      [tuning ? 'fine-tuning step' : 'step', `${step} of ${total_steps}`],
      ['epoch', `${epoch} of ${epochs}`],
    );
  }
  if (progress?.images_per_second)
    list.push(['images a second', String(Math.round(progress.images_per_second * 10) / 10)]);
  if (finished) list.push(['', tuning ? 'Fine-tuning is complete.' : 'Training is complete.']);
  else if (running && progress?.seconds_left) list.push(['left', `about ${duration(progress.seconds_left)}`]);
  else if (!running && step > 0) list.push(['', 'Paused.']);
  return list;
}

/** @param {import('../state/session.js').Session} session */
export function drawStatus({ state }) {
  const items = parts(state).map(([name = '', value = '']) => {
    if (name === '') return make('span', {}, make('b', { textContent: value }));
    const words =
      name === 'images a second' || name === 'left'
        ? [make('b', { textContent: value }), ` ${name}`]
        : [`${name} `, make('b', { textContent: value })];
    return make('span', {}, ...words);
  });
  byId('status').replaceChildren(...items);
  const bar = /** @type {HTMLProgressElement} */ (byId('progress'));
  bar.value = state.position ? state.position.step / Math.max(1, state.position.total_steps) : 0;
}
