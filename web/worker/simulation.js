/** The simulation, a few images at a time. */

import { failure } from '../api/errors.js';

/** @typedef {import('../types/types').SimulationReport} SimulationReport */
/** @typedef {import('../types/messages').WorkerEvent} WorkerEvent */

/** About how long others may wait for their turn. */
const TURN_MS = 300;

/**
 * Simulates held-out images, and emits an event after each few.
 * @param {import('./run.js').Run} run
 * @param {object} options
 * @param {import('./queue.js').Queue} options.queue
 * @param {() => boolean} options.isCurrent whether it is still the worker's run
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
    const simulation = await queue.run(() => {
      if (!isCurrent()) throw failure('invalid-state', 'the simulation ended because its run was replaced');
      return run.wasm.simulate_next(next);
    });
    emit({ type: 'simulation', simulation });
    const left = images - simulation.images;
    // If none were added, there are no more held-out images.
    if (left <= 0 || simulation.images === previous) return simulation;
    previous = simulation.images;
    const msPerImage = (performance.now() - start) / next;
    count = Math.min(left, Math.max(1, Math.round(TURN_MS / msPerImage)));
  }
}
