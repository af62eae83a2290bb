import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { numericOps } from './numeric-ops.js'

test('every op on the list is one that the installed graph executor maps', async () => {
  const folder = join(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-converter/package.json')), 'dist/operations/op_list')
  const mapped = new Set<string>()
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
    const { json } = await import(join(folder, file)) as { json: readonly { readonly tfOpName: string }[] }
    for (const { tfOpName } of json) mapped.add(tfOpName)
  }
  expect([...numericOps].filter((op) => !mapped.has(op))).toEqual([])
  expect(numericOps.size).toBeGreaterThan(100)
})
