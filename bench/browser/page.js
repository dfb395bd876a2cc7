/**
 * Runs in the browser: trains the same network with Crossdub's modules, with TensorFlow.js and with jax-js. Each
 * contender is a function that makes one step and resolves with the milliseconds it elapsed.
 */

const WIDTHS = [32, 64, 128];
const LEARNING_RATE = 0.01;

/** @param {() => Promise<unknown>} step */
async function timed(step) {
  const before = performance.now();
  await step();
  return performance.now() - before;
}

/**
 * Measures the steps of one contender, or of several in turn, so that all run under the same load. The first turns
 * compile shaders and are not counted; no new turn starts after `seconds`, except the first three.
 * @param {(() => Promise<number>)[]} contenders
 * @param {{ warmUp: number, maxTurns: number, seconds: number }} limits
 * @returns {Promise<number[][]>} milliseconds of each contender's steps
 */
async function inTurn(contenders, { warmUp, maxTurns, seconds }) {
  const times = contenders.map(() => /** @type {number[]} */ ([]));
  let started = performance.now();
  for (let turn = -warmUp; turn < maxTurns; turn += 1) {
    if (turn === 0) started = performance.now();
    if (turn >= 3 && performance.now() - started > 1000 * seconds) break;
    for (const [index, step] of contenders.entries()) {
      const elapsed = await step();
      if (turn >= 0) times[index].push(elapsed);
      // Shows that a slow adapter is still running.
      if (turn < 0 || elapsed > 1000) console.info(`step ${turn + warmUp + 1}: ${elapsed.toFixed(0)} ms`);
    }
  }
  return times;
}

/**
 * @param {'cpu' | 'webgpu'} device
 * @param {number} batch
 * @param {('none' | 'gated')[]} regularizers one run each, in turn
 */
async function crossdub(device, batch, regularizers, limits) {
  const folder = device === 'cpu' ? await cpuFolder() : device;
  const contenders = [];
  for (const regularizer of regularizers)
    contenders.push(await crossdubRun(folder, { device, batch, regularizer }));
  return inTurn(contenders, limits);
}

/** With and without relaxed SIMD, in turn. @param {number} batch */
async function simd(batch, limits) {
  const fields = { device: 'cpu', batch, regularizer: 'none' };
  return inTurn([await crossdubRun('cpu-relaxed', fields), await crossdubRun('cpu', fields)], limits);
}

/**
 * @param {string} folder of the module
 * @param {{ device: string, batch: number, regularizer: string }} fields
 */
async function crossdubRun(folder, fields) {
  const module = await import(`/pkg/${folder}/crossdub.js`);
  await module.default();
  const { spec, hardware } = module.apply_fields(module.schema().defaults, {
    model: 'vgg-small',
    learning_rate: LEARNING_RATE,
    dropout: 0,
    augment: false,
    epochs: 100,
    ...fields,
  });
  const run = await module.Run.open(spec, hardware, []);
  return () => timed(() => run.step());
}

/** The CPU module that the page takes: with relaxed SIMD, if it is there and this browser can load it. */
async function cpuFolder() {
  try {
    await (await import('/pkg/cpu-relaxed/crossdub.js')).default();
    return 'cpu-relaxed';
  } catch {
    return 'cpu';
  }
}

/**
 * Simulates VGG11 on crossbars of 64 rows with 8-bit weights and inputs and 1-bit cells: milliseconds per image.
 * @param {number} turns the first is not counted
 * @param {number} images in each turn
 */
async function simulation(turns, images) {
  const module = await import('/pkg/cpu/crossdub.js');
  await module.default();
  const fields = { model: 'vgg11', device: 'cpu', tile: 64, resolution: 'lossless', batch: 4 };
  const { spec, hardware } = module.apply_fields(module.schema().defaults, fields);
  const run = await module.Run.open(spec, hardware, []);
  await run.start_simulation({ rule: 'exact', strength: 0, target: 2 });
  const times = [];
  for (let turn = 0; turn < turns; turn += 1)
    times.push((await timed(() => run.simulate_next(images))) / images);
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

/** @param {'cpu' | 'webgl' | 'webgpu'} backend @param {number} batch */
async function tensorflow(backend, batch, limits) {
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
  const images = tf.randomNormal([batch, 32, 32, 3]);
  const labels = tf.oneHot(tf.range(0, batch, 1, 'int32'), 10).toFloat();

  const step = async () => {
    const logits = () => model.apply(images, { training: true });
    const loss = optimizer.minimize(() => tf.losses.softmaxCrossEntropy(labels, logits()), true);
    await loss.data();
    loss.dispose();
  };
  return inTurn([() => timed(step)], limits);
}

/** @param {'wasm' | 'webgpu'} device @param {number} batch */
async function jax(device, batch, limits) {
  const { init, defaultDevice, jit, lax, nn, numpy, random, tree, valueAndGrad } =
    await import('/jax/dist/index.js');
  if (!(await init(device)).includes(device)) throw new Error(`jax-js has no ${device} backend here`);
  defaultDevice(device);

  const shapes = WIDTHS.map((width, index) => [width, index === 0 ? 3 : WIDTHS[index - 1], 3, 3]);
  shapes.push([WIDTHS[WIDTHS.length - 1] * 16, 128], [128, 10]);
  /** @param {number[]} shape the initial weights */
  const draw = (shape, index) => {
    const inputs = shape.length === 4 ? 9 * shape[1] : shape[0];
    return random.normal(random.key(index), shape).mul(Math.sqrt(1 / inputs));
  };
  // A function owns its arguments; `ref` keeps one for another use.
  const forward = (parameters, images) => {
    let x = images;
    for (const [index, { weight, bias }] of parameters.slice(0, WIDTHS.length).entries()) {
      const [side, width] = [32 >> index, WIDTHS[index]];
      x = nn.relu(lax.conv(x, weight, [1, 1], 'SAME').add(bias.reshape([1, width, 1, 1])));
      x = x.reshape([batch, width, side / 2, 2, side / 2, 2]).max([3, 5]);
    }
    x = x.reshape([batch, -1]);
    const [hidden, last] = parameters.slice(WIDTHS.length);
    x = nn.relu(numpy.matmul(x, hidden.weight).add(hidden.bias));
    return numpy.matmul(x, last.weight).add(last.bias);
  };
  const loss = (parameters, images, labels) =>
    nn
      .logSoftmax(forward(parameters, images), -1)
      .mul(labels)
      .sum()
      .mul(-1 / batch);
  const update = jit((parameters, velocities, images, labels) => {
    const [value, gradients] = valueAndGrad(loss)(tree.ref(parameters), images, labels);
    const velocity = tree.map((v, gradient) => v.mul(0.9).add(gradient), velocities, gradients);
    const moved = tree.map((w, v) => w.sub(v.mul(LEARNING_RATE)), parameters, tree.ref(velocity));
    return [value, moved, velocity];
  });

  const outputs = (shape) => (shape.length === 4 ? shape[0] : shape[1]);
  let parameters = shapes.map((shape, index) => ({
    weight: draw(shape, index),
    bias: numpy.zeros([outputs(shape)]),
  }));
  let velocities = shapes.map((shape) => ({
    weight: numpy.zeros(shape),
    bias: numpy.zeros([outputs(shape)]),
  }));
  const images = random.normal(random.key(99), [batch, 3, 32, 32]);
  const classes = numpy.array(new Int32Array(batch).map((_, index) => index % 10));
  const labels = nn.oneHot(classes, 10);
  const step = async () => {
    let value;
    [value, parameters, velocities] = update(parameters, velocities, images.ref, labels.ref);
    const [number] = await value.data();
    if (!Number.isFinite(number)) throw new Error(`the loss is ${number}`);
  };
  return inTurn([() => timed(step)], limits);
}

globalThis.bench = { crossdub, simd, simulation, tensorflow, jax };
