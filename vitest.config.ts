import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (name: string) => fileURLToPath(new URL(`./packages/${name}/src/index.ts`, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      ...['core', 'formats', 'export', 'distributed'].map((name) => ({ find: `@millrace/${name}`, replacement: source(name) })),
      // Worker threads know nothing of vitest: the tests bundle what runs there.
      { find: /^\.\/(worker|inflate)-entry\.js$/, replacement: fileURLToPath(new URL('./test/support/worker-entry.ts', import.meta.url)) },
    ],
  },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    // One worker for each core: vitest leaves one core to itself, which on two cores is half of them.
    maxWorkers: '100%',
    // What a passing test prints is noise; a failing one's is evidence.
    silent: 'passed-only',
    // Longer than a run of Python may take (test/support/python.ts), so that its error is the one that is told.
    testTimeout: 150_000,
    hookTimeout: 150_000,
  },
})
