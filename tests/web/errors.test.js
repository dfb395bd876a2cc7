import { describe, expect, test } from 'vitest';

import { checkCounts, checkFields, checkFiles } from '../../web/api/arguments.js';
import { CrossdubError, asError, failure } from '../../web/api/errors.js';
import { asFailure, isDeviceFailure } from '../../web/worker/failure.js';

/** The value that a call throws. @param {() => unknown} call */
function thrownBy(call) {
  try {
    call();
  } catch (thrown) {
    return thrown;
  }
  return null;
}

test('an error keeps code, message and field', () => {
  const error = asError(failure('invalid-field', 'invalid tile (1)', 'tile'));
  expect(error).toBeInstanceOf(CrossdubError);
  expect(error).toMatchObject({ code: 'invalid-field', message: 'invalid tile (1)', field: 'tile' });
  expect(asError(error)).toBe(error);
  expect(asError('text')).toMatchObject({ code: 'internal', message: 'text' });
});

describe('in the worker', () => {
  test('failures are plain and of one line', () => {
    expect(asFailure(failure('file', 'a\n  b'))).toEqual({ code: 'file', message: 'a b' });
    expect(asFailure(new TypeError('x'))).toEqual({ code: 'internal', message: 'x' });
    expect(asFailure(undefined).code).toBe('internal');
    expect(asFailure(new WebAssembly.RuntimeError('unreachable')).message).toMatch(/stopped unexpectedly/);
  });

  test('a device failure is recognized by its code', () => {
    expect(isDeviceFailure(failure('device', 'lost'))).toBe(true);
    expect(isDeviceFailure(new Error('mapAsync'))).toBe(true);
    expect(isDeviceFailure(failure('diverged', 'using the device'))).toBe(false);
  });
});

describe('arguments', () => {
  test('fields are an object of finite numbers', () => {
    expect(checkFields({ tile: 16 }, 'set')).toEqual({ tile: 16 });
    for (const invalid of [null, 5, [1]]) {
      expect(thrownBy(() => checkFields(/** @type {any} */ (invalid), 'set'))).toMatchObject({
        code: 'invalid-argument',
      });
    }
    expect(thrownBy(() => checkFields({ lambda: NaN }, 'set'))).toMatchObject({ field: 'lambda' });
  });

  test('counts are whole numbers of at least a minimum', () => {
    expect(thrownBy(() => checkCounts({ column: 0 }))).toBeNull();
    expect(thrownBy(() => checkCounts({ images: 0 }, 1))).toMatchObject({ field: 'images' });
    expect(thrownBy(() => checkCounts({ column: 1.5 }))).toMatchObject({ field: 'column' });
  });

  test('files are one or several', () => {
    const file = new File([], 'a.pth');
    expect(checkFiles(file)).toEqual([file]);
    expect(checkFiles(new Set([file]))).toEqual([file]);
    for (const invalid of [undefined, 3, [], [file, 'b']])
      expect(thrownBy(() => checkFiles(invalid))).not.toBeNull();
  });
});
