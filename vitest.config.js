import { defineConfig } from 'vitest/config';

/** Unit tests of what needs no browser: `npm run unit`. */
export default defineConfig({ test: { include: ['**/*.test.js'], environment: 'node' } });
