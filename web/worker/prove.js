/** The simulation, a few images at a time. */

/** About so long may others wait for their turn. */
const TURN_MS = 300;

/**
 * Simulates held-out images and tells of each step.
 * @param {import('./queue.js').Queue} queue
 * @param {import('./run.js').Run} run
 * @param {() => boolean} held whether it is still the run that the worker holds
 * @param {import('../types/types').PruneChoice} choice
 * @param {number} images
 * @param {(event: import('../types/messages').WorkerEvent) => void} tell
 * @returns {Promise<import('../types/types').Simulation>}
 */
export async function prove(queue, run, held, choice, images, tell) {
  tell({ type: 'busy', what: 'Putting the network on simulated crossbars.' });
  await queue.run(() => run.trainer.open_proof(choice));
  tell({ type: 'busy', what: '' });
  let [count, before] = [1, 0];
  for (;;) {
    const start = performance.now();
    const proof = await queue.run(() => {
      if (!held()) throw { message: 'the simulation ended with its run' };
      return run.trainer.advance_proof(count);
    });
    tell({ type: 'proof', proof, wanted: images });
    // No image is left when it simulated fewer than it was asked for.
    const left = images - proof.images;
    if (left <= 0 || proof.images === before) return proof;
    before = proof.images;
    const each = (performance.now() - start) / count;
    count = Math.min(left, Math.max(1, Math.round(TURN_MS / each)));
  }
}
