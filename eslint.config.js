import js from '@eslint/js';
import globals from 'globals';

/** Only URLs, and strings that can't be broken without harming a search for them, may be longer. */
const maxLength = ['error', { code: 120, ignoreUrls: true, ignoreComments: false }];

export default [
  { ignores: ['dist', 'pkg', 'target', 'node_modules', 'docs', 'web/types'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'array-callback-return': 'error',
      eqeqeq: 'error',
      'max-len': maxLength,
      'no-else-return': 'error',
      'no-implicit-coercion': ['error', { boolean: false }],
      'no-shadow': 'error',
      'no-unused-vars': ['error', { args: 'all', argsIgnorePattern: '^_' }],
      'no-use-before-define': ['error', { functions: false, classes: false, variables: false }],
      'no-useless-rename': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'prefer-object-has-own': 'error',
    },
  },
  {
    files: ['web/**/*.js'],
    languageOptions: { globals: globals.browser },
    rules: {
      'no-alert': 'error',
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
    },
  },
  {
    files: ['web/worker/**/*.js'],
    languageOptions: { globals: globals.worker },
  },
  {
    // Page tests also hold functions that run in the page.
    files: ['tests/page/**/*.js', 'tests/web/**/*.js', 'bench/browser/**/*.{js,mjs}', '*.config.js'],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
];
