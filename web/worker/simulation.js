/** The simulation, a few images at a time. */

import { failure } from '../api/errors.js';
import { nextTask } from './task.js';

/** @typedef {import('../types/types').SimulationReport} SimulationReport */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */

/** About how long others may wait for their turn. */
const TURN_MS = 300;

/**
 * Simulates held-out images, and emits an event after each few.
 * @param {import('./run.js').Run} run
 * @param {object} options
 * @param {import('./queue.js').Queue} options.queue
 * @param {() => boolean} options.isCurrent whether its network is still the one that is displayed
 * @param {import('../types/types').PruneSettings} options.pruning
 * @param {number} options.images
 * @param {(event: WorkerEvent) => void} options.emit
 * @returns {Promise<SimulationReport>}
 */
export async function simulate(run, { queue, isCurrent, pruning, images, emit }) {
  emit({ type: 'busy', text: 'Mapping the network to simulated crossbars.' });
  await queue.run(() => run.wasm.start_simulation(pruning));
  emit({ type: 'busy', text: '' });
  let count = 1;
  let previous = 0;
  for (;;) {
    const start = performance.now();
    const next = count;
    const simulation = await queue.run(async () => {
      if (!isCurrent())
        throw failure(
          'invalid-state',
          'the simulation ended because its network was changed or another one began',
        );
      const report = await run.wasm.simulate_next(next);
      // In its turn: an event that came later would show an old network's result beside a new one.
      emit({ type: 'simulation', simulation: report });
      return report;
    });
    const left = images - simulation.images;
    // If none were added, there are no more held-out images.
    if (left <= 0 || simulation.images === previous) return simulation;
    previous = simulation.images;
    const msPerImage = (performance.now() - start) / next;
    count = Math.min(left, Math.max(1, Math.round(TURN_MS / msPerImage)));
    // Without it, calls that come meanwhile would not be heard.
    await nextTask();
  }
}
