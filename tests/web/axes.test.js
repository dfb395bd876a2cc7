import { describe, expect, test } from 'vitest';

import { briefName, labelSide, lastStep, logTicks, shortNumber, stepAxis } from '../../web/charts/axes.js';

test('the last step is that of the longest history, and 0 without any', () => {
  expect(lastStep([{ step: 1 }, { step: 7 }], [{ step: 3 }])).toBe(7);
  expect(lastStep([])).toBe(0);
});

test('an axis of steps starts at 0 and never collapses', () => {
  expect(stepAxis(3, 400).domain).toEqual([0, 20]);
  expect(stepAxis(300, 400).domain).toEqual([0, 300]);
  expect(stepAxis(300, 10).ticks).toBe(2);
});

test('a label changes sides near the end of the axis, not of a short history', () => {
  expect(labelSide(3, 3).textAnchor).toBe('start');
  expect(labelSide(80, 100)).toEqual({ dx: -4, textAnchor: 'end' });
  expect(labelSide(75, 100)).toEqual({ dx: 4, textAnchor: 'start' });
});

describe('ticks of a logarithmic axis', () => {
  test('are 1, 2 and 5 times powers of ten within the range', () => {
    expect(logTicks(0.9, 60)).toEqual([1, 2, 5, 10, 20, 50]);
    expect(logTicks(0.02, 0.1)).toEqual([0.02, 0.05, 0.1]);
  });

  test('are powers of ten alone over a wide range', () => {
    expect(logTicks(0.001, 200)).toEqual([0.001, 0.01, 0.1, 1, 10, 100]);
  });
});

test('numbers have three significant digits', () => {
  expect([0, 1.23456, 0.00012345, -12.345, 999.4, 1000, 123456].map(shortNumber)).toEqual([
    '0',
    '1.23',
    '0.000123',
    '-12.3',
    '999',
    '1.0e+3',
    '1.2e+5',
  ]);
});

test('a long name keeps both of its ends', () => {
  expect(briefName('this run')).toBe('this run');
  expect(briefName('recorded: vgg-small-cifar10-bit-planes-12x')).toBe('recorded:…planes-12x');
});
