/** Writes a PyTorch checkpoint like `torch.save`: a zip with a pickle and one file of floats per tensor. */

import { crc32 } from 'node:zlib';

const ascii = (/** @type {string} */ text) => Buffer.from(text, 'ascii');
const u16 = (/** @type {number} */ value) => Buffer.from([value & 255, value >> 8]);
const u32 = (/** @type {number} */ value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** Pickle's opcodes, protocol 2. */
const text = (/** @type {string} */ value) =>
  Buffer.concat([ascii('X'), u32(Buffer.byteLength(value)), Buffer.from(value)]);
const global = (/** @type {string} */ module, /** @type {string} */ name) => ascii(`c${module}\n${name}\n`);
const int = (/** @type {number} */ value) => Buffer.concat([ascii('J'), u32(value)]);
const tuple = (/** @type {Buffer[]} */ ...items) => Buffer.concat([ascii('('), ...items, ascii('t')]);
const orderedDict = Buffer.concat([global('collections', 'OrderedDict'), ascii(')R')]);

/** @param {{ name: string, shape: number[] }} tensor @param {number} key */
function rebuilt({ name, shape }, key) {
  const count = shape.reduce((product, size) => product * size, 1);
  const strides = shape.map((_, at) => shape.slice(at + 1).reduce((product, size) => product * size, 1));
  const storage = Buffer.concat([
    tuple(text('storage'), global('torch', 'FloatStorage'), text(String(key)), text('cpu'), int(count)),
    ascii('Q'),
  ]);
  const given = tuple(
    storage,
    int(0),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    Buffer.from([0x89]),
    orderedDict,
  );
  return Buffer.concat([text(name), global('torch._utils', '_rebuild_tensor_v2'), given, ascii('R')]);
}

/** @param {{ name: string, bytes: Buffer }[]} files */
export function zip(files) {
  const [parts, directory] = [/** @type {Buffer[]} */ ([]), /** @type {Buffer[]} */ ([])];
  let offset = 0;
  for (const { name, bytes } of files) {
    const facts = Buffer.concat([
      u16(0),
      u16(0),
      u16(0),
      u16(0),
      u32(crc32(bytes)),
      u32(bytes.length),
      u32(bytes.length),
      u16(name.length),
      u16(0),
    ]);
    const local = Buffer.concat([ascii('PK\x03\x04'), u16(20), facts, ascii(name)]);
    directory.push(
      Buffer.concat([
        ascii('PK\x01\x02'),
        u16(20),
        u16(20),
        facts,
        u16(0),
        u16(0),
        u16(0),
        u32(0),
        u32(offset),
        ascii(name),
      ]),
    );
    parts.push(local, bytes);
    offset += local.length + bytes.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = Buffer.concat([
    ascii('PK\x05\x06'),
    u16(0),
    u16(0),
    u16(files.length),
    u16(files.length),
    u32(size),
    u32(offset),
    u16(0),
  ]);
  return Buffer.concat([...parts, ...directory, end]);
}

/** @param {{ name: string, shape: number[] }[]} tensors filled with numbers between -1 and 1 */
export function pth(tensors) {
  const pickle = Buffer.concat([
    Buffer.from([0x80, 2]),
    orderedDict,
    ascii('('),
    ...tensors.map(rebuilt),
    ascii('u.'),
  ]);
  const data = tensors.map(({ shape }, key) => {
    const values = Float32Array.from({ length: shape.reduce((product, one) => product * one, 1) }, (_, at) =>
      Math.sin(at + key),
    );
    return { name: `archive/data/${key}`, bytes: Buffer.from(values.buffer) };
  });
  return zip([
    { name: 'archive/data.pkl', bytes: pickle },
    ...data,
    { name: 'archive/version', bytes: ascii('3\n') },
  ]);
}
