import { defineConfig, type Options } from 'tsup'

/** The one build of every package: ESM and CommonJS, with declarations for both. */
export const library = (overrides: Options = {}) =>
  defineConfig({
    entry: ['src/index.ts'],
    format: ['esm', 'cjs'],
    target: 'node20',
    platform: 'node',
    sourcemap: true,
    clean: true,
    splitting: false,
    shims: true,
    dts: { compilerOptions: { ignoreDeprecations: '6.0', composite: false, paths: {} } },
    ...overrides,
  })
