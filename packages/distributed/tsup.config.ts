import { library } from '../../tsup.base.js'

export default library({
  entry: { index: 'src/index.ts', 'millrace-server': 'src/bin/millrace-server.ts' },
  dts: { entry: { index: 'src/index.ts' }, compilerOptions: { ignoreDeprecations: '6.0', composite: false, paths: {} } },
})
