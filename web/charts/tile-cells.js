/**
 * The cells of one tile: columns (outputs, bit lines) run right, rows (inputs, word lines) run down. A weight is
 * a filled cell, stronger if it is larger; a pruned weight is a small dot.
 */

/**
 * @param {import('../types/types').TileDetail} detail
 * @param {{ side: number, theme: import('../types/messages').Theme }} options
 * @returns {HTMLCanvasElement}
 */
export function tileCells(detail, { side, theme }) {
  const { rows, columns, values, kept } = detail;
  const cell = side / Math.max(rows, columns);
  const canvas = document.createElement('canvas');
  const ratio = Math.max(1, window.devicePixelRatio);
  canvas.width = Math.ceil(columns * cell * ratio);
  canvas.height = Math.ceil(rows * cell * ratio);
  canvas.style.width = `${columns * cell}px`;
  canvas.style.height = `${rows * cell}px`;
  canvas.setAttribute('role', 'img');
  const remaining = kept.reduce((sum, one) => sum + one, 0);
  canvas.setAttribute(
    'aria-label',
    `${rows} rows by ${columns} columns; ${remaining} of ${kept.length} weights kept`,
  );
  const context = canvas.getContext('2d');
  if (!context) return canvas;
  context.scale(ratio, ratio);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const gap = cell >= 5 ? 1 : 0;
  const dot = Math.max(0.5, cell * 0.16);
  for (let column = 0; column < columns; column += 1) {
    for (let row = 0; row < rows; row += 1) {
      const index = column * rows + row;
      const value = values[index] ?? 0;
      const [x, y] = [column * cell, row * cell];
      context.globalAlpha = 1;
      if (kept[index]) {
        // The square root keeps small weights visible.
        context.globalAlpha = 0.25 + 0.75 * Math.sqrt(Math.abs(value) / largest);
        context.fillStyle = value < 0 ? theme.negative : theme.positive;
        context.fillRect(x, y, cell - gap, cell - gap);
      } else if (cell >= 3) {
        context.fillStyle = theme.soft;
        context.globalAlpha = 0.45;
        context.fillRect(x + (cell - gap) / 2 - dot, y + (cell - gap) / 2 - dot, 2 * dot, 2 * dot);
      }
    }
  }
  context.globalAlpha = 1;
  context.strokeStyle = theme.line;
  context.strokeRect(0.5, 0.5, columns * cell - 1, rows * cell - 1);
  return canvas;
}
