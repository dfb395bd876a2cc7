/** Announcements for screen readers: few, and polite. */

import { byId } from './element.js';

/** @param {string} text */
export function announce(text) {
  byId('live').textContent = text;
}

/** @param {import('../types/page').Page} page */
export function announceRun({ store }) {
  let epoch = 0;
  store.subscribe(
    ({ run }) => run,
    () => {
      epoch = 0;
      announce('A new run is ready.');
    },
  );
  store.subscribe(
    ({ running }) => running,
    (running) => announce(running ? 'Training.' : `Paused at step ${store.getState().progress?.step ?? 0}.`),
  );
  store.subscribe(
    ({ evaluation }) => evaluation,
    (evaluation) => {
      const { lastStep } = store.getState();
      if (!lastStep || !evaluation) return;
      const done = Math.floor(lastStep.step / lastStep.steps_per_epoch);
      if (done <= epoch && !lastStep.finished) return;
      epoch = done;
      const event = lastStep.finished ? 'Training is complete' : `Epoch ${done} is complete`;
      announce(`${event}: accuracy ${evaluation.accuracy.toFixed(1)} percent.`);
    },
  );
}
