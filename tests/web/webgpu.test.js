import { expect, test } from 'vitest';

import { initialState } from '../../web/state/store.js';
import { fallbackReason, isWaitingForWebGpu } from '../../web/ui/webgpu.js';

const lost = {
  ...initialState.webgpu,
  state: /** @type {const} */ ('failed'),
  reason: 'the device was lost',
};

/** @param {string} device @param {string | null} fallback of the run, null without one */
function state(device, fallback) {
  const run = fallback === null ? null : { device: 'cpu', fallback };
  return /** @type {any} */ ({ ...initialState, webgpu: lost, spec: { device }, run });
}

test('a lost device has one message, whichever of its events comes last', () => {
  const resumed =
    'WebGPU failed (the device was lost). Training continues on the CPU, from the last checkpoint.';
  expect(fallbackReason(state('webgpu', resumed))).toBe(resumed);
  expect(fallbackReason({ ...state('webgpu', resumed), webgpu: initialState.webgpu })).toBe(resumed);
  expect(fallbackReason(state('auto', ''))).toBe(
    "WebGPU can't be used: the device was lost. Training on the CPU instead.",
  );
});

test('a run that never asked for a GPU has no message about one', () => {
  expect(fallbackReason(state('cpu', ''))).toBe('');
  expect(fallbackReason({ ...state('auto', ''), webgpu: initialState.webgpu })).toBe('');
  expect(fallbackReason({ ...state('auto', null), spec: null })).toBe('');
});

test('a run moves when WebGPU is ready, but not while a file is displayed or a simulation runs', () => {
  const webgpu = { ...initialState.webgpu, state: /** @type {const} */ ('ready') };
  const ready = { ...state('auto', ''), webgpu };
  expect(isWaitingForWebGpu(ready)).toBe(true);
  expect(isWaitingForWebGpu({ ...ready, file: /** @type {any} */ ({ id: 1 }) })).toBe(false);
  expect(isWaitingForWebGpu({ ...ready, simulating: true })).toBe(false);
  expect(isWaitingForWebGpu({ ...ready, webgpu: { ...webgpu, software: true } })).toBe(false);
});
