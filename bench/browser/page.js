/**
 * What runs in the browser: the same network trained by Crossdub's modules and by TensorFlow.js. Each contender
 * is a function that makes one step and resolves with how many milliseconds it took.
 */

const WIDTHS = [32, 64, 128];
const BATCH = 8;
const LEARNING_RATE = 0.01;

/** @param {() => Promise<unknown>} step */
async function timed(step) {
  const before = performance.now();
  await step();
  return performance.now() - before;
}

/**
 * Steps of one contender, or of several by turns so that all see the same machine. The first steps compile
 * shaders and are left out; after `seconds` no new turn begins, but three are made in any case.
 * @param {(() => Promise<number>)[]} contenders
 * @param {{ warmUp: number, most: number, seconds: number }} limits
 * @returns {Promise<number[][]>} milliseconds of each contender's steps
 */
async function byTurns(contenders, { warmUp, most, seconds }) {
  const times = contenders.map(() => /** @type {number[]} */ ([]));
  let begun = performance.now();
  for (let turn = -warmUp; turn < most; turn += 1) {
    if (turn === 0) begun = performance.now();
    if (turn >= 3 && performance.now() - begun > 1000 * seconds) break;
    for (const [index, step] of contenders.entries()) {
      const took = await step();
      if (turn >= 0) times[index].push(took);
      // The person at the terminal should see that a slow adapter is alive.
      if (turn < 0 || took > 1000) console.info(`step ${turn + warmUp + 1}: ${took.toFixed(0)} ms`);
    }
  }
  return times;
}

/**
 * @param {'cpu' | 'webgpu'} device
 * @param {('none' | 'gated')[]} regularizers one run each, by turns
 */
async function crossdub(device, regularizers, limits) {
  const module = await import(`/pkg/${device}/crossdub.js`);
  await module.default();
  const contenders = [];
  for (const regularizer of regularizers) {
    const start = module.defaults();
    const { spec, hardware } = module.apply(start.spec, start.hardware, {
      model: 'vgg-small',
      device,
      regularizer,
      batch: BATCH,
      learning_rate: LEARNING_RATE,
      dropout: 0,
      augment: false,
      epochs: 100,
    });
    const trainer = await module.Trainer.open(spec, hardware, []);
    contenders.push(() => timed(() => trainer.step()));
  }
  return byTurns(contenders, limits);
}

/**
 * VGG11 on simulated crossbars of 64 rows, 8-bit weights and inputs, 1-bit cells: milliseconds an image.
 * @param {number} turns the first is left out
 * @param {number} images of each turn
 */
async function simulation(turns, images) {
  const module = await import('/pkg/cpu/crossdub.js');
  await module.default();
  const start = module.defaults();
  const fields = { model: 'vgg11', device: 'cpu', tile: 64, resolution: 'lossless', batch: 4 };
  const { spec, hardware } = module.apply(start.spec, start.hardware, fields);
  const trainer = await module.Trainer.open(spec, hardware, []);
  await trainer.open_proof({ rule: 'exact', strength: 0, target: 2 });
  const times = [];
  for (let turn = 0; turn < turns; turn += 1)
    times.push((await timed(() => trainer.advance_proof(images))) / images);
  return [times.slice(1)];
}

/** @param {string} address */
function script(address) {
  return new Promise((resolve, reject) => {
    const element = document.createElement('script');
    element.src = address;
    element.onload = () => resolve(undefined);
    element.onerror = () => reject(new Error(`${address} can't be loaded`));
    document.head.append(element);
  });
}

/** @param {'cpu' | 'webgl' | 'webgpu'} backend */
async function tensorflow(backend, limits) {
  await script('/tensorflow/tfjs/dist/tf.min.js');
  if (backend === 'webgpu') await script('/tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js');
  const tf = globalThis.tf;
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no ${backend} backend here`);
  await tf.ready();

  const model = tf.sequential();
  for (const [index, filters] of WIDTHS.entries()) {
    const shape = index === 0 ? { inputShape: [32, 32, 3] } : {};
    model.add(tf.layers.conv2d({ ...shape, filters, kernelSize: 3, padding: 'same', activation: 'relu' }));
    model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
  }
  model.add(tf.layers.flatten());
  model.add(tf.layers.dense({ units: 128, activation: 'relu' }));
  model.add(tf.layers.dense({ units: 10 }));
  const optimizer = tf.train.momentum(LEARNING_RATE, 0.9);
  const images = tf.randomNormal([BATCH, 32, 32, 3]);
  const labels = tf.oneHot(tf.range(0, BATCH, 1, 'int32'), 10).toFloat();

  const step = async () => {
    const logits = () => model.apply(images, { training: true });
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, logits()), true);
    await loss.data();
    loss.dispose();
  };
  return byTurns([() => timed(step)], limits);
}

globalThis.bench = { crossdub, simulation, tensorflow };
