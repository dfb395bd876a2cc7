import { defineConfig } from 'vitest/config';

/** Unit tests of what needs no browser: `npm run unit`. They stand beside what they test. */
export default defineConfig({
  test: { include: ['web/**/*.test.js', 'tests/page/**/*.test.js'], environment: 'node' },
});
