import { describe, expect, it } from 'vitest';

import { missingPictures } from '../../web/ui/pictures.js';
import { sortOut } from '../../web/worker/files.js';
import { findBeside } from '../../web/worker/onnx-file.js';

/** @param {...string} paths */
const placed = (...paths) =>
  paths.map((path) => ({ path, file: new File([], path.split('/').at(-1) ?? '') }));

/** @typedef {import('../../web/worker/files.js').FileKind} FileKind */

describe('files that were opened together', () => {
  /** @param {Record<string, FileKind>} kinds */
  const sorted = (kinds) => {
    const { kind, files, otherWeights = [] } = sortOut(placed(...Object.keys(kinds)), Object.values(kinds));
    return { kind, paths: files.map(({ path }) => path), otherWeights };
  };

  it('are an ONNX model if there is one, with what else could be shown', () => {
    expect(sorted({ 'a/net.onnx': 'onnx', 'a/w.bin': 'unknown', 'a/net.pth': 'checkpoint' })).toEqual({
      kind: 'onnx',
      paths: ['a/net.onnx'],
      otherWeights: ['a/net.pth'],
    });
    // A download of CIFAR leaves its archive beside the files.
    const both = sorted({ 'cifar-10-batches-py/data_batch_1': 'data', 'cifar-10-python.tar.gz': 'archive' });
    expect(both).toMatchObject({ kind: 'data', paths: ['cifar-10-batches-py/data_batch_1'] });
    // Records of CIFAR, by their size alone: a model's weights may have it.
    expect(sorted({ 'net.onnx': 'onnx', 'w.bin': 'data' }).kind).toBe('onnx');
  });

  it('are a checkpoint if there are several models beside it', () => {
    const kinds = /** @type {const} */ ({
      'a.onnx': 'onnx',
      'b.onnx': 'onnx',
      'c.safetensors': 'checkpoint',
    });
    expect(sorted(kinds)).toMatchObject({ kind: 'checkpoint', paths: ['c.safetensors'] });
    expect(() => sorted({ 'a.onnx': 'onnx', 'b.onnx': 'onnx' })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining('opening a.onnx, b.onnx: this page shows one'),
      }),
    );
  });

  it('are pictures with their labels, without other files', () => {
    expect(
      sorted({ 'a/1.png': 'pictures', 'a/notes.txt': 'unknown', 'a/labels.csv': 'labels' }),
    ).toMatchObject({
      kind: 'pictures',
      paths: ['a/1.png', 'a/labels.csv'],
    });
  });
});

describe('the file that a model names', () => {
  it('lies below the model', () => {
    const opened = placed('x/net.onnx', 'x/weights/w.bin', 'y/weights/w.bin');
    const [model] = opened;
    if (!model) throw new Error('a model');
    expect(findBeside(model, opened, 'weights/w.bin')).toBe(opened[1]);
    expect(findBeside(model, opened, './weights//w.bin')).toBe(opened[1]);
    expect(findBeside(model, opened, 'w.bin')).toBe(null);
  });

  it('is found by its name if files came without folders', () => {
    const opened = placed('net.onnx', 'w.bin', 'v.bin');
    const [model] = opened;
    if (!model) throw new Error('a model');
    expect(findBeside(model, opened, 'weights/w.bin')).toBe(opened[1]);
    expect(findBeside(model, opened, 'weights/u.bin')).toBe(null);
    // A model does not hold its own weights in another file.
    expect(findBeside(model, opened, 'net.onnx')).toBe(null);
  });
});

describe('pictures that are missing', () => {
  it('are named in sentences', () => {
    expect(missingPictures({ classes: [], unreadable: [], notes: [] })).toEqual([]);
    expect(
      missingPictures({
        classes: [],
        unreadable: ['a/1.png'],
        notes: ['pictures left out: 3 (a/1.webp, ...)'],
      }),
    ).toEqual(["1 picture can't be read: a/1.png.", 'Pictures left out: 3 (a/1.webp, ...).']);
  });
});
