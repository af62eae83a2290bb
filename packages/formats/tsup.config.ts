import { library } from '../../tsup.base.js'

export default library({
  // What worker threads run asks the package, which they find by its name, for all the rest.
  entry: { index: 'src/index.ts', worker: 'src/worker.ts', inflate: 'src/inflate.ts' },
  external: ['@millrace/formats'],
  dts: { entry: { index: 'src/index.ts' }, compilerOptions: { ignoreDeprecations: '6.0', composite: false, paths: {} } },
})
