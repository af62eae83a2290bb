import { failure, isMillraceError } from '@millrace/core'
import { Graph, type Session } from '@millrace/export'
import { expect, test } from 'vitest'
import { clearInStep } from './clear-in-step.js'

const graph = new Graph()
const [clear, nudge] = ['clear', 'nudge'].map((name) => graph.add('NoOp', [], {}, { name })) as [ReturnType<Graph['add']>, ReturnType<Graph['add']>]

/** A server on which an update takes so many parts that are nothing before it ends. */
const serverThatNeeds = (parts: number) => {
  const ran: string[] = []
  let end: () => void = () => undefined
  const cleared = new Promise<void>((resolve) => { end = resolve })
  const run = async ({ targets = [] }: { readonly targets?: readonly string[] }) => {
    ran.push(...targets)
    if (ran.filter((name) => name === nudge.name).length >= parts) end()
    if (targets[0] === clear.name) await cleared
    return []
  }
  return { ran, session: { run } as unknown as Session }
}

test.each([0, 3])('an update that needs %i parts to end gets them, and no more', async (parts) => {
  const { ran, session } = serverThatNeeds(parts)
  await clearInStep(session, { clear, nudge }, {})
  expect(ran).toEqual([clear.name, ...Array.from({ length: parts }, () => nudge.name)])
})

test('what the server says instead is thrown', async () => {
  const session = { run: () => Promise.reject(failure({ tag: 'Engine', code: 'TF_UNAVAILABLE', problem: 'it is gone' })) } as unknown as Session
  expect(isMillraceError(await clearInStep(session, { clear, nudge }, {}).catch((thrown: unknown) => thrown))).toBe(true)
})
