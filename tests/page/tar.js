/** Writes tar archives. */

const BLOCK = 512;

/** @param {{ name: string, bytes: Buffer }[]} files */
export function tar(files) {
  const blocks = files.flatMap(({ name, bytes }) => [
    header(name, bytes.length),
    bytes,
    padding(bytes.length),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

/** @param {number} length */
const padding = (length) => Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);

/** A regular file's header. @param {string} name @param {number} size */
function header(name, size) {
  const block = Buffer.alloc(BLOCK);
  const octal = (/** @type {number} */ value, /** @type {number} */ digits) =>
    `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(0o644, 7), 100);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)} `, 148);
  return block;
}
