/** The choice of a run's device. */

/**
 * The device for a request; `fallback` says why it is another one.
 * @param {import('../types/types').TrainConfig['device']} requested
 * @param {import('./webgpu.js').WebGpu | null} gpu
 * @param {(text: string) => void} onBusy
 * @returns {Promise<{ device: 'cpu' | 'webgpu', fallback: string }>}
 */
export async function chooseDevice(requested, gpu, onBusy) {
  if (requested === 'cpu' || !gpu) return { device: 'cpu', fallback: '' };
  // `auto` does not wait for a GPU, and a software adapter is slower than the CPU module.
  if (requested === 'auto') {
    // A run that wants one may be the first to.
    if (gpu.mayLoad && !gpu.module && !gpu.state.software) void gpu.load();
    return { device: gpu.module && !gpu.state.software ? 'webgpu' : 'cpu', fallback: '' };
  }
  onBusy('Loading and checking the WebGPU module: its first use compiles shaders, which may take a while.');
  await gpu.load();
  if (gpu.module) return { device: 'webgpu', fallback: '' };
  return {
    device: 'cpu',
    fallback: `WebGPU can't be used: ${gpu.state.reason}. Training on the CPU instead.`,
  };
}
