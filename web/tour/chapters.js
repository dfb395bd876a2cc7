/**
 * The six chapters of the guided tour. Each highlights a part of the page, explains it, and suggests something
 * to try.
 */

/**
 * @typedef {object} Chapter
 * @property {string} title
 * @property {string} target selector of the highlighted part
 * @property {string[]} text paragraphs
 * @property {string} task
 * @property {(done: () => void) => () => void} watch calls `done` once the reader did the task; returns a
 *   function that stops watching
 */

/**
 * A task that is done once an event arrives.
 * @param {EventTarget} target @param {string} type
 * @param {(event: Event) => boolean} [matches]
 * @returns {Chapter['watch']}
 */
function onEvent(target, type, matches = () => true) {
  return (done) => {
    const listen = (/** @type {Event} */ event) => matches(event) && done();
    target.addEventListener(type, listen);
    return () => target.removeEventListener(type, listen);
  };
}

/**
 * Whether an event comes from the input with this name and, if given, this value.
 * @param {Event} event @param {string} name @param {string} [value]
 */
function isFrom({ target }, name, value) {
  if (!(target instanceof HTMLInputElement) || target.name !== name) return false;
  return value === undefined || target.value === value;
}

/** One paragraph, written over several lines. @param {string[]} lines */
const paragraph = (...lines) => lines.join(' ');

/** @returns {Chapter[]} */
export function chapters() {
  return [
    {
      title: 'The crossbar',
      target: '#maps',
      text: [
        paragraph(
          'An analog crossbar stores weights in a grid of cells. The inputs are voltages on its rows, every cell',
          'passes a current, and each column adds up its currents. That multiplies a matrix by a vector without',
          'moving a single weight.',
        ),
        paragraph(
          'A layer is larger than one crossbar, so it is cut into tiles. Each square here is one tile; its columns',
          'are outputs, its rows are inputs.',
        ),
      ],
      task: 'Select a square, by pointer or with the arrow keys and Enter.',
      watch: onEvent(document, 'crossdub:pinned'),
    },
    {
      title: 'The converter',
      target: '#tile',
      text: [
        paragraph(
          'The sum of a column is a current, and an analog-to-digital converter (ADC) turns it into a number. The',
          'ADCs use most of an accelerator’s energy, and every extra bit of resolution makes them use more.',
        ),
        paragraph(
          'The more rows of a column are active, the more values its sum can take, and the more bits it needs. All',
          'columns of a tile share one resolution, so the densest column sets it.',
        ),
      ],
      task: 'Colour the tiles by ADC bits.',
      watch: onEvent(document, 'change', (event) => isFrom(event, 'map-mode', 'bits')),
    },
    {
      title: 'D.U.B. sparsity',
      target: '.chapter.train',
      text: [
        paragraph(
          'A network therefore pays for its densest columns. The regularizer in the training loss makes columns',
          'sparse in a way that saves ADC bits. Discrete: each halving of the active rows saves one bit.',
          'Unstructured: any row of a column may be zero. Balanced: all columns of a tile are equally sparse.',
        ),
        paragraph(
          'During training the regularizer falls and the columns of a tile become alike. Few weights are exactly',
          'zero yet: pruning takes care of that.',
        ),
      ],
      task: 'Press Start or Step.',
      watch: onEvent(document, 'crossdub:progress'),
    },
    {
      title: 'The energy',
      target: '.chapter.save',
      text: [
        paragraph(
          'Pruning sets each tile to a level: at level k, each column keeps at most one row in 2ᵏ. The histogram',
          'counts the tiles at each level, and the two large numbers show how much less energy the ADCs need.',
        ),
        paragraph(
          'The more you prune, the more accuracy it costs. Regularized training before pruning, and fine-tuning',
          'after it, keep that cost low.',
        ),
      ],
      task: 'Move the strength slider and watch both numbers.',
      watch: onEvent(document, 'input', (event) => isFrom(event, 'strength')),
    },
    {
      title: 'Two ways to count',
      target: '#pareto',
      text: [
        paragraph(
          'The paper counts N − k bits at level k, so a column with one active row would need no bits at all. To',
          'lose nothing, n active rows need ⌈log₂(n + 1)⌉ bits. This page shows both counts. The paper’s best',
          'result on CIFAR-10, 7.13×, uses the first; by the second, the same run saves 3.81×.',
        ),
        paragraph(
          'Real converters differ from both, as their energy is not linear in bits. The grey marks are the authors’',
          'published runs, including those that failed.',
        ),
      ],
      task: 'Switch this chart between the two counts.',
      watch: onEvent(document, 'change', (event) => isFrom(event, 'pareto-model')),
    },
    {
      title: 'What the ADC has to tell apart',
      target: '#tile',
      text: [
        paragraph(
          'A cell holds a bit or a few, so an 8-bit weight lies on seven crossbars for each sign. Below the tile',
          'are its bit planes: the cells that are set on each. A converter counts set cells, not weights: at most',
          'three in a column need two bits, in whichever rows, and an empty plane needs no conversion.',
        ),
        paragraph(
          'So the same three words hold for set cells, and save more there. Weights of fewer bits leave whole',
          'planes empty, and training can keep the others below a cap while the network learns. Nothing is lost,',
          'as the simulation in section 5 shows integer by integer. In section 3, the rule Bit planes chooses all of',
          'this for a trained network from one number: how much less energy it may take.',
        ),
      ],
      task: 'Under More…, set Quantized to bits to 3 and Most set cells to 3, and press Start.',
      watch: onEvent(document, 'change', (event) => isFrom(event, 'quantize_precision')),
    },
  ];
}
