import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from '@millrace/core'
import { train } from '@millrace/distributed'
import { dtypeNumbers, ops, type ArgDef, type AttrDef, type DType } from '@millrace/export'
import * as tf from '@tensorflow/tfjs'
import koffi from 'koffi'
import { beforeAll, expect, test } from 'vitest'
import { tensorflow } from '../../packages/export/src/proto/index.js'
import { build, options, testNumbers } from '../support/embedded-training.js'
import { describeUnless } from '../support/peer.js'

/** The version of libtensorflow that @tensorflow/tfjs-node brings. */
const VERSION = '2.9.1'
const library = fileURLToPath(new URL('../../.peers/tensorflow-2.9/libtensorflow.so.2', import.meta.url))

/** All ops that the library knows: `TF_GetAllOpList` gives a `TF_Buffer`, which begins with an address and a length. */
const registeredOps = (): ReadonlyMap<string, tensorflow.OpDef.$Properties> => {
  const loaded = koffi.load(library)
  const buffer = loaded.func('void *TF_GetAllOpList()')() as unknown
  const [address, length] = koffi.decode(buffer, 'uint64_t', 2) as (bigint | number)[]
  const bytes = new Uint8Array(koffi.view(BigInt(address!), Number(length)) as ArrayBuffer)
  return new Map((tensorflow.OpList.decode(bytes).op ?? []).map((op) => [op.name!, op]))
}

const theirArg = ({ name, type, typeAttr, typeListAttr, numberAttr }: tensorflow.OpDef.ArgDef.$Properties): object => ({
  name,
  type: typeListAttr ? { list: typeListAttr } : typeAttr ? { attr: typeAttr } : { dtype: Object.entries(dtypeNumbers).find(([, number]) => number === type)?.[0] },
  count: numberAttr ? numberAttr : undefined,
})

const body = (): void => {
  beforeAll(async () => {
    process.env['TF_CPP_MIN_LOG_LEVEL'] = '3'
    await tf.setBackend('cpu')
  })

  test('train() runs in it, and says so', async () => {
    const { runtime } = await run(train(build(), { ...options, epochs: 1, library }))
    expect(runtime).toEqual({ runtime: 'tensorflow', description: `TensorFlow ${VERSION} in this process`, library, reason: undefined })
  })

  testNumbers(library)

  test('its registry has every op that our graphs hold, with the same arguments and attributes', () => {
    const registered = registeredOps()
    const table = Object.entries(ops as Readonly<Record<string, { readonly inputs: readonly ArgDef[]; readonly outputs: readonly ArgDef[]; readonly attrs: Readonly<Record<string, AttrDef>> }>>)
    expect(table.length).toBeGreaterThan(100)
    for (const [name, { inputs, outputs, attrs }] of table) {
      const theirs = registered.get(name)
      expect(theirs, name).toBeDefined()
      const known = new Set((theirs!.attr ?? []).map((attr) => attr.name))
      const ourArg = (arg: ArgDef): ArgDef => ('attr' in arg.type && !known.has(arg.type.attr) ? { ...arg, type: { dtype: attrs[arg.type.attr]!.default as DType } } : arg)
      expect({ name, inputs: inputs.map(ourArg) }).toEqual({ name, inputs: (theirs!.inputArg ?? []).map(theirArg) })
      expect({ name, outputs: outputs.map(ourArg) }).toEqual({ name, outputs: (theirs!.outputArg ?? []).map(theirArg) })
      // What it does not know is left out of a graph where it has its default.
      for (const [attr, { hasDefault }] of Object.entries(attrs)) expect([name, attr, known.has(attr) || hasDefault]).toEqual([name, attr, true])
    }
  })
}

describeUnless(existsSync(library) ? undefined : 'no .peers/tensorflow-2.9: npm run peers:setup, which says why it could not make it', `with the libtensorflow of TensorFlow ${VERSION}`, body)
