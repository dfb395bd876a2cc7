import { describe, expect, test } from 'vitest';

import { formatHash, parseEmbed, parseHash } from '../../web/state/url-hash.js';
import { DEFAULTS } from './settings.js';

const { spec, hardware, pruning } = DEFAULTS;

describe('formatHash', () => {
  test('is empty for the defaults', () => {
    expect(formatHash(DEFAULTS, DEFAULTS)).toBe('');
  });

  test('has the fields that differ from their defaults, and parses back', () => {
    const settings = {
      spec: {
        ...spec,
        model: 'custom',
        plan: '8 M 16 M',
        lambda: 0.0025,
        milestones: [2, 3],
        augment: false,
      },
      hardware: { ...hardware, tile: 16, resolution: '6' },
      pruning: { ...pruning, strength: 42.5 },
    };
    const hash = formatHash(settings, DEFAULTS);
    expect(hash).toBe(
      'plan=8+M+16+M&lambda=0.0025&milestones=2%2C3&augment=false&tile=16&resolution=6&strength=42.5',
    );
    expect(parseHash(`#${hash}`, DEFAULTS)).toEqual({
      fields: {
        plan: '8 M 16 M',
        lambda: 0.0025,
        milestones: [2, 3],
        augment: false,
        tile: 16,
        resolution: '6',
        strength: 42.5,
      },
      invalid: [],
    });
  });

  test('names a network instead of its plan', () => {
    const named = { ...spec, model: 'vgg11_bn', plan: '64 M', classifier: '512,512', batch_norm: true };
    expect(formatHash({ spec: named, hardware, pruning }, DEFAULTS)).toBe('model=vgg11_bn');
  });
});

describe('parseHash', () => {
  test('lists entries that are no field or have the wrong type', () => {
    const { fields, invalid } = parseHash('#tile=sixteen&wings=2&augment=yes&seed=5&batch=', DEFAULTS);
    expect(fields).toEqual({ seed: 5 });
    expect(invalid).toEqual(['tile=sixteen', 'wings=2', 'augment=yes', 'batch']);
  });

  test('rejects integers that JavaScript would round', () => {
    expect(parseHash('#seed=9007199254740993', DEFAULTS).invalid).toEqual(['seed=9007199254740993']);
  });

  test('takes an empty part of a list for no number', () => {
    for (const bad of ['milestones=3%2C', 'milestones=3%2C%2C5', 'milestones=x'])
      expect(parseHash(`#${bad}`, DEFAULTS)).toMatchObject({
        fields: {},
        invalid: [decodeURIComponent(bad)],
      });
    expect(parseHash('#milestones=', DEFAULTS).fields).toEqual({ milestones: [] });
  });

  test('does not take inherited properties for fields', () => {
    expect(parseHash('#toString=1&__proto__=2', DEFAULTS).invalid).toEqual(['toString=1', '__proto__=2']);
  });

  test('leaves ranges to Rust', () => {
    expect(parseHash('#batch=-4', DEFAULTS)).toEqual({ fields: { batch: -4 }, invalid: [] });
  });
});

test('parseEmbed knows the two modes', () => {
  expect(['', '?embed', '?embed=play', '?embed=other'].map(parseEmbed)).toEqual(['', 'all', 'play', 'all']);
});
