import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Packages that the code of each may not import: the arrows point one way, core <- formats <- export <- distributed. */
const above = {
  core: ['formats', 'export', 'distributed'],
  formats: ['export', 'distributed'],
  export: ['distributed'],
  distributed: [],
}

/**
 * The edges, where a package meets files, the network and other processes. All other code of the packages is pure: bytes, columns
 * and graphs go in, values come out.
 */
const edges = [
  'packages/core/src/storage/**/*.ts',
  // DuckDB spills to a temporary folder, which is ours to make and to remove.
  'packages/core/src/relational/engine/database.ts',
  // TensorBoard reads an event file while it grows: it is appended to, not written whole.
  'packages/export/src/tensorboard/event-file.ts',
  // Looks for libtensorflow, which no storage but this machine's can hold.
  'packages/export/src/runtime/native/find-library.ts',
  // HiveServer2 is spoken to by us, without a driver.
  'packages/formats/src/sql/hive/transport/**/*.ts',
  // Readers decode on worker threads.
  'packages/formats/src/workers/{blocking-files,serve,worker-thread}.ts',
  // Large files are inflated on a thread.
  'packages/formats/src/compression/thread/**/*.ts',
  // The client of a server's gRPC is a connection.
  'packages/distributed/src/session/grpc/**/*.ts',
  // Servers are processes that listen.
  'packages/distributed/src/servers/**/*.ts',
]

const inputAndOutput = 'fs|fs/promises|http|https|http2|net|dgram|tls|child_process|worker_threads|cluster'

const everywhere = [
  { regex: '^\\.{1,2}/(?!.*\\.(js|mjs|json)$)', message: 'Relative imports end in .js: the built code runs without a bundler.' },
  { regex: '^fp-ts($|/(?!lib/.+\\.js$))', message: 'Import from fp-ts/lib/X.js: no other form resolves in ESM and in CommonJS.' },
  { regex: '^(\\.\\./)+(core|formats|export|distributed)/', message: 'Import the package by its name.' },
]

const upwards = (name) =>
  above[name].length === 0 ? [] : [{ regex: `^@millrace/(${above[name].join('|')})`, message: `@millrace/${name} is below that package.` }]

const outwards = [{ regex: `^(node:)?(${inputAndOutput})$`, message: 'I/O belongs in storage/ and at the edges that eslint.config.js names.' }]

/** `import` statements are told apart by no-restricted-imports, `import()` calls by their syntax. */
const restrict = (patterns) => ({
  'no-restricted-imports': ['error', { patterns }],
  'no-restricted-syntax': [
    'error',
    ...patterns.map(({ regex, message }) => ({ selector: `ImportExpression > Literal[value=/${regex.replaceAll('/', '\\/')}/]`, message })),
    { selector: 'CallExpression[callee.property.name="toMatchObject"] Property > Literal[regex]', message: 'Of an error, toMatchObject takes any message for a regular expression: write expect.stringMatching(…).' },
  ],
})

const layers = Object.keys(above).flatMap((name) => [
  { files: [`packages/${name}/src/**/*.ts`], rules: restrict([...everywhere, ...upwards(name), ...outwards]) },
  {
    files: [...edges.filter((glob) => glob.startsWith(`packages/${name}/`)), `packages/${name}/src/**/*.test.ts`],
    rules: restrict([...everywhere, ...upwards(name)]),
  },
])

export default defineConfig(
  globalIgnores(['**/dist/', '.peers/', '.bootstrap/', 'out/', 'coverage/', 'docs/api/', 'bench/data/', 'packages/export/src/proto/generated/', 'packages/formats/assembly/', 'packages/formats/src/example/kernel/generated/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.js', '**/*.mjs'],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-else-return': 'error',
      'no-template-curly-in-string': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      // An index that a loop has checked is what `!` says: under noUncheckedIndexedAccess, kernels over typed arrays need it.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // An interface has a name that declarations and messages show, and a place for a docstring: an alias is expanded.
      '@typescript-eslint/no-empty-object-type': ['error', { allowInterfaces: 'with-single-extends' }],
      '@typescript-eslint/prefer-function-type': 'off',
      '@typescript-eslint/consistent-indexed-object-style': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/no-dynamic-delete': 'off',
      '@typescript-eslint/prefer-for-of': 'off',
      // A constructor that only calls the protected one above it makes it public.
      '@typescript-eslint/no-useless-constructor': 'off',
      // `this: void` says that a method may be passed on its own, as in `pipe(rows, inputs.apply)`.
      '@typescript-eslint/no-invalid-void-type': ['error', { allowAsThisParameter: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true }],
      ...restrict(everywhere),
    },
  },
  {
    // What can go wrong without a word in asynchronous code needs types to be seen.
    files: ['packages/*/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-for-in-array': 'error',
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: false }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  ...layers,
  // Type tests declare values for their types alone, and their names say which errors are due.
  { files: ['test/types/**'], rules: { '@typescript-eslint/no-unused-vars': 'off', '@typescript-eslint/ban-ts-comment': 'off' } },
  { files: ['scripts/**', 'examples/**', 'bench/**', 'test/**', '**/*.test.ts'], rules: { 'no-console': 'off' } },
)
