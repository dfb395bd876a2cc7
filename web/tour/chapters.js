/**
 * The guided tour's five chapters. Each points at a part of the page, says what it is, and has something to
 * try; the tour notices when it was done, but never insists.
 */

/** @typedef {ReturnType<import('../api/api.js').makeApi>} Api */

/**
 * @typedef {object} Chapter
 * @property {string} title
 * @property {string} target what is highlighted
 * @property {string[]} text
 * @property {string} task
 * @property {(done: () => void) => () => void} watch tells when the task is done; returns how to stop watching
 */

/**
 * @param {EventTarget} target @param {string} type
 * @param {(event: Event) => boolean} [counts]
 * @returns {Chapter['watch']}
 */
function on(target, type, counts = () => true) {
  return (done) => {
    const listen = (/** @type {Event} */ event) => counts(event) && done();
    target.addEventListener(type, listen);
    return () => target.removeEventListener(type, listen);
  };
}

/** @param {Event} event @param {string} name */
const named = (event, name) => event.target instanceof HTMLInputElement && event.target.name === name;

/** @returns {Chapter[]} */
export function chapters() {
  return [
    {
      title: 'The crossbar',
      target: '#maps',
      text: [
        'An analog crossbar keeps weights in a grid of cells. Inputs arrive as voltages on its rows, every cell passes a current, and each column adds its currents up: one product of a matrix and a vector, without moving a weight.',
        'A layer is larger than one crossbar, so it is cut into tiles. Each square here is one tile of a layer; columns are outputs, rows are inputs.',
      ],
      task: 'Choose any square, with the pointer, or with arrow keys and Enter.',
      watch: on(document, 'crossdub:pinned'),
    },
    {
      title: 'The converter',
      target: '#tile',
      text: [
        'A column’s sum is a current, and must become a number: an analog-to-digital converter (ADC) reads it. These converters take most of an accelerator’s energy, and each bit of resolution costs.',
        'The more rows of a column are active, the more different sums it can give, and the more bits it needs. One resolution serves all columns of a tile, so the densest column decides.',
      ],
      task: 'Colour the tiles by ADC bits.',
      watch: on(
        document,
        'change',
        (event) =>
          named(event, 'map-mode') && /** @type {HTMLInputElement} */ (event.target).value === 'bits',
      ),
    },
    {
      title: 'D.U.B. sparsity',
      target: '.chapter.train',
      text: [
        'So a network pays for its densest columns. The push added to the training loss makes columns sparse in the way a converter can use: Discrete (each halving of the active rows saves one bit), Unstructured (any row of a column may be zero), Balanced (all columns of a tile alike).',
        'While it trains, the regularizer falls and a tile’s columns grow alike. Few weights are exactly zero yet: that is what pruning is for.',
      ],
      task: 'Press Start, or Step.',
      watch: on(document, 'crossdub:progress'),
    },
    {
      title: 'The energy',
      target: '.chapter.save',
      text: [
        'Pruning sets each tile to a level: at level k at most one row in 2ᵏ of every column stays. The histogram counts tiles by level, and the two large numbers say how much less energy the converters would need.',
        'What it costs in accuracy depends on how far you go. Training with the push first, and training on after pruning, is what makes a high level cheap.',
      ],
      task: 'Move the strength and watch both numbers.',
      watch: on(document, 'input', (event) => named(event, 'strength')),
    },
    {
      title: 'Honesty',
      target: '#pareto',
      text: [
        'The paper counts N − k bits at level k, so a column with one active row would need no bit at all. To lose nothing, n active rows need ⌈log₂(n + 1)⌉ bits. Both counts are shown throughout; what the paper reports for CIFAR-10, up to 7.13×, is the first count, and by the second the same run saves 3.81×.',
        'Real converters differ again, as their energy is not a straight line in bits. The dots are the authors’ published runs, those that failed among them.',
      ],
      task: 'Switch this chart between the two counts.',
      watch: on(document, 'change', (event) => named(event, 'pareto-model')),
    },
  ];
}
