/** Which device a run gets. */

/**
 * The device for a choice, and why it is not the one asked for.
 * @param {import('../types/types').RunSpec['device']} choice
 * @param {import('./webgpu.js').WebGpu | null} gpu
 * @param {(what: string) => void} busy
 * @returns {Promise<{ device: 'cpu' | 'webgpu', fallback: string }>}
 */
export async function chooseDevice(choice, gpu, busy) {
  if (choice === 'cpu' || !gpu) return { device: 'cpu', fallback: '' };
  // Nobody waits for a GPU that was not asked for, and a software adapter is slower than the CPU module.
  if (choice === 'auto')
    return { device: gpu.module && !gpu.state.software ? 'webgpu' : 'cpu', fallback: '' };
  busy('Loading and checking the WebGPU module: its first use compiles shaders, which may take a while.');
  await gpu.load();
  if (gpu.module) return { device: 'webgpu', fallback: '' };
  return { device: 'cpu', fallback: `WebGPU can't be used: ${gpu.state.why}. Training on the CPU instead.` };
}
