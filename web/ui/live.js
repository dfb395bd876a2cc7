/** What a screen reader is told: politely, and only what a listener would want to know. */

import { byId } from './element.js';

/** @param {string} text */
export function announce(text) {
  byId('live').textContent = text;
}

/** @param {import('../state/session.js').Session} session */
export function announceRun(session) {
  const { state } = session;
  let epoch = 0;
  session.addEventListener('opened', () => {
    epoch = 0;
    announce('A fresh run is ready.');
  });
  session.addEventListener('running', () =>
    announce(state.running ? 'Training.' : `Paused at step ${state.position?.step ?? 0}.`),
  );
  session.addEventListener('evaluation', () => {
    const { progress, evaluation } = state;
    if (!progress || !evaluation) return;
    const done = Math.floor(progress.step / progress.steps_per_epoch);
    if (done <= epoch && !progress.finished) return;
    epoch = done;
    const word = progress.finished ? 'Training is complete' : `Epoch ${done} is done`;
    announce(`${word}: accuracy ${evaluation.accuracy.toFixed(1)} percent.`);
  });
}
