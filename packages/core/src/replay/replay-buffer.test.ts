import { describe, expect, it } from 'vitest'
import { run } from '../job/index.js'
import { randomFrom } from '../random/index.js'
import { field, type Row } from '../schema/index.js'
import { batchFromRows, collect, fromIterable, preview, type Stream } from '../stream/index.js'
import { drawByWeight, drawWithoutReplacement } from './draw.js'
import { replayBuffer } from './index.js'
import { SumTree } from './sum-tree.js'

const schema = {
  state: field.list(field.float32(), { size: 2 }), action: field.int32(), reward: field.nullable(field.float32()),
  done: field.bool(), note: field.utf8(), trail: field.list(field.int64()), raw: field.binary(),
}
const row = (id: number): Row<typeof schema> => ({
  state: [id, -id], action: id, reward: id % 3 === 0 ? null : id / 2, done: id % 5 === 0, note: `step ${id}`, trail: Array<bigint>(id % 3).fill(BigInt(id)), raw: new Uint8Array([id % 256]),
})
const rowsOf = (from: number, to: number): Row<typeof schema>[] => Array.from({ length: to - from }, (_, i) => row(from + i))

const actions = async (stream: Stream): Promise<number[]> => {
  const found: number[] = []
  for await (const batch of stream) for (let i = 0; i < batch.numRows; i++) found.push((batch.row(i) as { action: number }).action)
  return found
}

/** Pearson's statistic of counts against how many were due. */
const chiSquare = (counts: readonly number[], due: readonly number[]): number => counts.reduce((sum, count, i) => sum + (count - due[i]!) ** 2 / due[i]!, 0)

const countsOf = (draws: Iterable<number>, size: number): number[] => {
  const counts = Array<number>(size).fill(0)
  for (const draw of draws) counts[draw]!++
  return counts
}

/** 99.9 % quantiles of chi-square with 9 degrees of freedom: sound draws of 10 kinds stay below it 999 times of 1,000. */
const CHI_SQUARE_9 = 27.88

describe('a replay buffer', () => {
  it('keeps the last rows, whatever pieces they come in', async () => {
    for (const piece of [1, 3, 7, 10, 25]) {
      const buffer = replayBuffer(schema, { capacity: 10 })
      for (let from = 0; from < 25; from += piece) {
        const rows = rowsOf(from, Math.min(25, from + piece))
        buffer.add(from % 2 === 0 ? rows : batchFromRows(schema, rows))
      }
      expect([buffer.size, buffer.added]).toEqual([10, 25])
      expect(await run(collect()(buffer.contents()))).toEqual(rowsOf(15, 25))
    }
  })

  it('takes all rows of a call or none, and those of a stream that fit', async () => {
    const buffer = replayBuffer(schema, { capacity: 10 })
    buffer.add(rowsOf(0, 2))
    const bad = [...rowsOf(2, 4), { ...row(4), action: 0.5 }]
    expect(() => buffer.add(bad)).toThrow(expect.objectContaining({ _tag: 'BadRecord', position: { record: 4, column: 'action' } }) as Error)
    expect(() => buffer.add(batchFromRows({ action: field.int32() }, [{ action: 1 }]) as never)).toThrow(/needs the column "state"/)
    expect(await actions(buffer.contents())).toEqual([0, 1])
    expect(await run(buffer.fill(fromIterable(schema, () => bad, { onBadRecord: 'skip' })))).toBe(2)
    expect(await actions(buffer.contents())).toEqual([0, 1, 2, 3])
  })

  it('gives samples of whole rows that later rows do not write over', () => {
    const buffer = replayBuffer(schema, { capacity: 10 })
    buffer.add(rowsOf(0, 10))
    const sample = buffer.sample(10, { replacement: false })
    buffer.add(rowsOf(10, 20))
    const seen = Array.from({ length: 10 }, (_, i) => sample.row(i))
    expect(seen.sort((a, b) => a.action - b.action)).toEqual(rowsOf(0, 10))
  })

  it('samples the same for a seed, and another each time without one', () => {
    const make = (seed: number) => {
      const buffer = replayBuffer(schema, { capacity: 100, seed })
      buffer.add(rowsOf(0, 100))
      return buffer
    }
    const [one, same, other] = [make(1), make(1), make(2)]
    const ids = (buffer: typeof one, options = {}): number[] => [...buffer.sample(20, options).columns.action.values]
    const [first, second] = [ids(one), ids(one)]
    expect(second).not.toEqual(first)
    expect([ids(same), ids(same)]).toEqual([first, second])
    expect(ids(other)).not.toEqual(first)
    expect(ids(one, { seed: 5 })).toEqual(ids(one, { seed: 5 }))
    expect(ids(one, { seed: 5 })).toEqual(ids(other, { seed: 5 }))
  })

  it('samples every row alike, with and without replacement', () => {
    const buffer = replayBuffer({ action: field.int32() }, { capacity: 10, seed: 11 })
    buffer.add(Array.from({ length: 13 }, (_, action) => ({ action })))
    const draws = 20_000
    const due = Array<number>(10).fill(draws / 10)
    const counted = (options: { readonly replacement: boolean }, count: number): number[] => {
      const found: number[] = []
      while (found.length < draws) found.push(...buffer.sample(count, options).columns.action.values)
      return countsOf(found.map((action) => action - 3), 10)
    }
    const free = chiSquare(counted({ replacement: true }, 100), due)
    expect(free).toBeLessThan(CHI_SQUARE_9)
    expect(free).toBeGreaterThan(0)
    expect(chiSquare(counted({ replacement: false }, 4), due)).toBeLessThan(CHI_SQUARE_9)
    for (let round = 0; round < 50; round++) expect(new Set(buffer.sample(10, { replacement: false }).columns.action.values).size).toBe(10)
  })

  it('draws every order of a sample without replacement', () => {
    const random = randomFrom(3)
    const orders = new Map<string, number>()
    for (let i = 0; i < 12_000; i++) {
      const key = drawWithoutReplacement(2, 4, random).join()
      orders.set(key, (orders.get(key) ?? 0) + 1)
    }
    expect(orders.size).toBe(12)
    // 11 degrees of freedom, 99.9 %.
    expect(chiSquare([...orders.values()], Array<number>(12).fill(1000))).toBeLessThan(31.26)
  })

  it('refuses what it cannot give', () => {
    const buffer = replayBuffer(schema, { capacity: 10 })
    expect(() => buffer.sample(1)).toThrow(/without rows/)
    buffer.add(rowsOf(0, 3))
    expect(() => buffer.sample(4, { replacement: false })).toThrow(/4 different rows/)
    expect(() => buffer.sample(0)).toThrow(/rows of a sample/)
    expect(() => buffer.update([0], [1])).toThrow(/no priorities/)
    expect(() => replayBuffer(schema, { capacity: 0 })).toThrow(/capacity/)
    expect(() => replayBuffer({ slot: field.int32() }, { capacity: 1, prioritized: true })).toThrow(/column "slot"/)
    expect(() => replayBuffer(schema, { capacity: 1, prioritized: { alpha: -1 } })).toThrow(/alpha/)
  })

  it('shows itself and its rows in a notebook', async () => {
    const buffer = replayBuffer(schema, { capacity: 10 })
    buffer.add(rowsOf(0, 3))
    expect(String(buffer)).toBe('ReplayBuffer(3 of 10 rows: state, action, reward, done, note, trail, raw)')
    expect((await run(preview(buffer.contents(), 2))).text).toContain('step 1')
  })
})

describe('streams of samples', () => {
  it('give so many batches a reading, each time others, and with a seed the same', async () => {
    const buffer = replayBuffer(schema, { capacity: 50, seed: 4 })
    buffer.add(rowsOf(0, 50))
    const stream = buffer.samples({ batches: 3, batchRows: 8 })
    const [first, second] = [await actions(stream), await actions(stream)]
    expect([first.length, second.length]).toEqual([24, 24])
    expect(first).not.toEqual(second)
    const fixed = buffer.samples({ batches: 3, batchRows: 8, seed: 9 })
    expect(await actions(fixed)).toEqual(await actions(fixed))
    expect(buffer.state().drawn).toBe(6)
  })

  it('go on from every position', async () => {
    for (const seed of [undefined, 9]) {
      const buffer = replayBuffer(schema, { capacity: 50, seed: 4 })
      buffer.add(rowsOf(0, 50))
      const stream = buffer.samples({ batches: 4, batchRows: 5, seed })
      const whole: { readonly position: string; readonly actions: readonly number[] }[] = []
      for await (const batch of stream) whole.push({ position: JSON.stringify(batch.position), actions: [...batch.columns.action.values] })
      for (const [i, { position }] of whole.entries()) {
        const rest: number[] = []
        for await (const batch of stream.open({ from: JSON.parse(position) as never })) rest.push(...batch.columns.action.values)
        expect(rest).toEqual(whole.slice(i + 1).flatMap(({ actions }) => actions))
      }
    }
  })

  it('draw from what the buffer holds when they are asked', async () => {
    const buffer = replayBuffer(schema, { capacity: 5 })
    const iterator = buffer.samples({ batches: 2 }).open()
    buffer.add(rowsOf(0, 5))
    expect(Math.max(...(await iterator.next()).value!.columns.action.values)).toBeLessThan(5)
    buffer.add(rowsOf(5, 10))
    expect(Math.min(...(await iterator.next()).value!.columns.action.values)).toBeGreaterThanOrEqual(5)
  })
})

describe('prioritised sampling', () => {
  const priorities = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
  const make = (options: { alpha?: number; beta?: number; epsilon?: number }, seed = 21) => {
    const buffer = replayBuffer({ action: field.int32() }, { capacity: 10, seed, prioritized: options })
    buffer.add(priorities.map((action) => ({ action })))
    buffer.update(priorities, priorities)
    return buffer
  }

  it.each([[0.6, 1e-6], [1, 0.5], [0, 0.1]])('draws rows as likely as their priority to the power of %f', (alpha, epsilon) => {
    const buffer = make({ alpha, epsilon })
    const weights = priorities.map((priority) => (priority + epsilon) ** alpha)
    const total = weights.reduce((sum, weight) => sum + weight)
    const draws = 100_000
    const counts = countsOf(buffer.sample(draws).columns.action.values, 10)
    const due = weights.map((weight) => (draws * weight) / total)
    // A row that is due less than five times is counted with the next, as the test wants it.
    const merge = (values: readonly number[]): number[] => (due[0]! < 5 ? [values[0]! + values[1]!, ...values.slice(2)] : [...values])
    expect(chiSquare(merge(counts), merge(due))).toBeLessThan(CHI_SQUARE_9)
    expect(counts).not.toEqual(countsOf(make({ alpha, epsilon }, 22).sample(draws).columns.action.values, 10))
  })

  it('would notice priorities that are off by a twentieth', () => {
    const draws = 100_000
    const counts = countsOf(make({ alpha: 1, epsilon: 1 }).sample(draws).columns.action.values, 10)
    const total = 55
    const due = priorities.map((priority) => (draws * (priority + 1)) / total)
    expect(chiSquare(counts, due)).toBeLessThan(CHI_SQUARE_9)
    due[9]! *= 1.05
    expect(chiSquare(counts, due)).toBeGreaterThan(CHI_SQUARE_9)
  })

  it('gives the weights that make up for it', () => {
    const buffer = make({ alpha: 1, beta: 0.5, epsilon: 1 })
    const { slot, weight } = buffer.sample(64).columns
    const raw = [...slot.values].map((at) => ((10 * (at + 1)) / 55) ** -0.5)
    const largest = Math.max(...raw)
    for (const [i, value] of raw.entries()) expect(weight.values[i]).toBeCloseTo(value / largest, 6)
    const full = buffer.sample(64, { beta: 0 }).columns.weight.values
    expect(full.every((value) => value === 1)).toBe(true)
    // Weighted by them wholly, the mean over what is drawn is the mean over the rows: 4.5.
    const many = buffer.sample(200_000, { beta: 1 }).columns
    let [sum, norm] = [0, 0]
    for (let i = 0; i < 200_000; i++) {
      sum += many.weight.values[i]! * many.action.values[i]!
      norm += many.weight.values[i]!
    }
    expect(Math.abs(sum / norm - 4.5)).toBeLessThan(0.05)
  })

  it('draws each row once without replacement, and leaves the priorities as they were', () => {
    const buffer = make({ alpha: 1, epsilon: 1 })
    for (let round = 0; round < 20; round++) expect([...buffer.sample(10, { replacement: false }).columns.slot.values].sort((a, b) => a - b)).toEqual(priorities)
    const draws = 100_000
    const counts = countsOf(buffer.sample(draws).columns.slot.values, 10)
    expect(chiSquare(counts, priorities.map((priority) => (draws * (priority + 1)) / 55))).toBeLessThan(CHI_SQUARE_9)
  })

  it('gives new rows the highest priority, and refuses priorities that are none', () => {
    const buffer = make({ alpha: 1, epsilon: 0 })
    buffer.add([{ action: 100 }])
    // It took the slot of priority 0, and is as likely as the 9.
    const counts = countsOf([...buffer.sample(54_000).columns.action.values].map((action) => (action === 100 ? 0 : action)), 10)
    expect(Math.abs(counts[0]! / counts[9]! - 1)).toBeLessThan(0.05)
    for (const value of [-1, NaN, Infinity]) expect(() => buffer.update([0], [value])).toThrow(/priority is/)
    // The sum of two of them is no number.
    expect(() => buffer.update([0, 1], [1e308, 1e308])).toThrow(expect.objectContaining({ _tag: 'Usage', code: 'BAD_PRIORITY' }) as Error)
    for (const slot of [-1, 10, 0.5]) expect(() => buffer.update([slot], [1])).toThrow(/no row in slot/)
    expect(() => buffer.update([0, 1], [1])).toThrow(/2 slots/)
  })

  it('gives weights that are numbers, from the smallest priority to the largest', () => {
    const buffer = make({ alpha: 1, beta: 1, epsilon: 0 })
    buffer.update(priorities, priorities.map((slot) => (slot === 0 ? 1e306 : 1e-306)))
    for (const beta of [0, 1, 20]) expect([...buffer.sample(10, { replacement: false, beta }).columns.weight.values].every((weight) => weight >= 0 && weight <= 1)).toBe(true)
  })

  it('says so when no weight is left to draw by, and when there is no room', () => {
    const buffer = make({ alpha: 1, epsilon: 0 })
    buffer.update(priorities, priorities.map((slot) => (slot === 3 ? 1 : 0)))
    expect(new Set(buffer.sample(5).columns.slot.values)).toEqual(new Set([3]))
    const noWeight = expect.objectContaining({ _tag: 'Usage', code: 'NO_WEIGHT' }) as Error
    expect(() => buffer.sample(2, { replacement: false })).toThrow(noWeight)
    expect([...buffer.sample(1, { replacement: false }).columns.slot.values]).toEqual([3])
    buffer.update([3], [0])
    expect(() => buffer.sample(1)).toThrow(noWeight)
    expect(() => replayBuffer({ action: field.int32() }, { capacity: 1e12 })).toThrow(expect.objectContaining({ _tag: 'Limit', code: 'CAPACITY' }) as Error)
  })

  it('never draws a weight of 0, at no edge of the tree', () => {
    for (const slots of [1, 2, 3, 7, 8, 9]) {
      for (let heavy = 0; heavy < slots; heavy++) {
        const tree = new SumTree(slots)
        tree.set(heavy, 0.1)
        expect(new Set(drawByWeight(50, tree, true, randomFrom(heavy)))).toEqual(new Set([heavy]))
        expect(tree.find(tree.total)).toBe(heavy)
      }
    }
  })
})

describe('saved and restored', () => {
  it.each([5, 10, 13, 27])('a buffer of %i added rows samples on as if it had not stopped', async (added) => {
    const make = () => replayBuffer(schema, { capacity: 10, seed: 3, prioritized: { alpha: 1 } })
    const buffer = make()
    buffer.add(rowsOf(0, added))
    const { slot } = buffer.sample(4).columns
    buffer.update(slot.values, [0.5, 2, 3, 4])
    const saved = JSON.parse(JSON.stringify(buffer.state())) as never
    const contents = await run(collect()(buffer.contents()))
    const restored = make()
    await run(restored.fill(fromIterable(buffer.contents().schema, () => contents) as never))
    restored.restore(saved)
    for (let round = 0; round < 3; round++) {
      const [due, is] = [buffer.sample(16), restored.sample(16)]
      expect(Array.from({ length: 16 }, (_, i) => is.row(i))).toEqual(Array.from({ length: 16 }, (_, i) => due.row(i)))
      buffer.add(rowsOf(added + round, added + round + 1))
      restored.add(rowsOf(added + round, added + round + 1))
    }
    expect(restored.state()).toEqual(buffer.state())
  })

  it('refuses states of other buffers', () => {
    const buffer = replayBuffer(schema, { capacity: 10 })
    buffer.add(rowsOf(0, 3))
    expect(() => buffer.restore({ seed: 0, drawn: 0, added: 4 })).toThrow(/4 rows in 10 slots/)
    for (const state of [null, 3, {}, { seed: 0, drawn: -1, added: 3 }, { seed: 'x', drawn: 0, added: 3 }]) expect(() => buffer.restore(state as never)).toThrow()
  })
})
