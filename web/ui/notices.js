/** What the page says inline: errors, a missing or lost GPU, a run to go on with, a dropped checkpoint. */

import { stepsTaken } from '../state/known.js';
import { sameChoice } from '../state/pruning.js';
import { byId } from './element.js';
import { say, unsay } from './messages.js';
import { plain } from './words.js';

/** @typedef {import('../state/session.js').Session} Session */

/** @param {number} when */
function ago(when) {
  const minutes = Math.round((Date.now() - when) / 60_000);
  if (minutes < 2) return 'just now';
  if (minutes < 120) return `${minutes} minutes ago`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} hours ago` : `${Math.round(hours / 24)} days ago`;
}

/** A refusal is said by `crossdub:error`. @param {Promise<unknown>} promise */
const quietly = (promise) => void promise.catch(() => undefined);

/** @param {Session} session */
function offerWebGpu(session) {
  const { webgpu, opened, spec, running } = session.state;
  if (webgpu.state !== 'ready' || opened?.device !== 'cpu' || spec?.device === 'cpu') return;
  if (spec?.device === 'auto' && webgpu.software) return;
  if (!running && stepsTaken(session.state) === 0) {
    // Nothing is lost yet, and the device is what was asked for.
    quietly(session.reset());
    return;
  }
  say('webgpu', {
    text: `WebGPU is ready on ${webgpu.adapter}. The run can go on there, from where it is.`,
    actions: [{ label: 'Go on with WebGPU', act: () => quietly(session.moveToWebGpu()) }],
  });
}

/** @param {Session} session */
function sayWebGpu(session) {
  const { webgpu, spec } = session.state;
  if (webgpu.state === 'failed' && spec?.device !== 'cpu') {
    say('webgpu', { text: `WebGPU can't be used: ${webgpu.why}. The CPU is used instead.` });
  } else offerWebGpu(session);
}

/** @param {Session} session */
function sayDropped(session) {
  const { dropped, linear, both, opened } = session.state;
  if (!dropped) {
    unsay('dropped');
    return;
  }
  const waits = opened ? ' The training run waits as it was.' : '';
  const layers = {
    label: linear ? 'Convolutions only' : 'Include fully connected layers',
    act: () => quietly(session.includeLinear(!linear)),
  };
  const back = { label: 'Back to the run', act: () => quietly(session.closeCheckpoint()) };
  say('dropped', {
    text: `Showing ${plain(dropped)}${linear ? ' with its fully connected layers' : ''}.${waits}`,
    stays: true,
    actions: both ? [layers, back] : [back],
  });
}

/** @param {Session} session */
export async function offerLastRun(session) {
  const last = await session.lab.kept();
  if (!last || last.step === 0) return;
  const data = last.data === 'cifar10' ? 'CIFAR-10' : 'built-in data';
  say('kept', {
    text: `Your last run (${last.plan}, ${data}) stopped at step ${last.step}, ${ago(last.when)}.`,
    actions: [
      { label: 'Go on with it', act: () => quietly(session.resume()) },
      { label: 'Forget it', act: () => quietly(session.lab.forget()) },
    ],
  });
}

/** @param {Session} session */
export function notices(session) {
  let dropped = '';
  let linear = false;
  document.addEventListener('crossdub:error', (event) => {
    const { message, field } = /** @type {CustomEvent} */ (event).detail;
    const choose = { label: 'Choose files…', act: () => byId('open-file').click() };
    say('error', { text: message, error: true, actions: field === 'data' ? [choose] : [] });
  });
  session.addEventListener('webgpu', () => sayWebGpu(session));
  session.addEventListener('opened', (event) => {
    const { fallback } = /** @type {CustomEvent} */ (event).detail;
    unsay('webgpu');
    if (fallback) say('webgpu', { text: fallback });
    else offerWebGpu(session);
  });
  session.addEventListener('running', () => {
    if (session.state.running) unsay('kept');
  });
  // What went wrong before is out of date once something went right.
  session.addEventListener('succeeded', () => unsay('error'));
  let instead = session.state.choice;
  session.addEventListener('choice', (event) => {
    const { choice, why } = /** @type {CustomEvent} */ (event).detail;
    instead = choice;
    say('choice', { text: why });
  });
  session.addEventListener('change', () => {
    if (!sameChoice(session.state.choice, instead)) unsay('choice');
    if (session.state.dropped === dropped && session.state.linear === linear) return;
    ({ dropped, linear } = session.state);
    sayDropped(session);
  });
}
