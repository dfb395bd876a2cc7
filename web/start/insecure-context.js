/** A page over plain http from another machine: browsers do not offer WebGPU there; everything else works. */

import { show } from '../ui/messages.js';

/** @param {string} device the run's setting; with `webgpu` the fallback to the CPU says the same */
export function explainInsecureContext(device) {
  if (isSecureContext || device !== 'auto') return;
  show('insecure', { text: 'WebGPU needs https or localhost: over plain http, training runs on the CPU.' });
}
