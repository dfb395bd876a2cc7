import { expect, test } from 'vitest';

import { ago, count, duration, layerName, percent, plain, share, times } from '../../web/ui/format.js';

test('numbers', () => {
  expect(percent(12.345)).toBe('12.3 %');
  expect([share(1, 8), share(0, 0)]).toEqual(['12.5 %', '0.0 %']);
  expect([times(1.666), times(12.34), times(null)]).toEqual(['1.67×', '12.3×', 'none left']);
  expect(count(1234567)).toBe('1,234,567');
});

test('times', () => {
  expect([0.2, 60, 600, 7200].map(duration)).toEqual(['1 s', '60 s', '10 min', '2.0 h']);
  const minute = 60_000;
  expect([0, 5 * minute, 300 * minute, 5000 * minute].map(ago)).toEqual([
    'just now',
    '5 minutes ago',
    '5 hours ago',
    '3 days ago',
  ]);
});

test('names become one line without characters that reorder text', () => {
  expect(layerName('features.0.weight')).toBe('features.0');
  expect(plain('\u202etthgiew')).toBe('\\u{202e}tthgiew');
  expect(plain('a\nb')).toBe('a\\u{a}b');
  expect(plain('a'.repeat(400))).toMatch(/^a{36}…a{35}$/);
});
