import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ProgressEvent } from './progress.js'
import { terminalProgress } from './terminal-progress.js'

const rows = (done: number, more: Partial<ProgressEvent> = {}): ProgressEvent => ({ stage: 'reading a.csv', done, unit: 'rows', ...more })

/** A listener on an output that keeps what was written, with a clock that the test turns. */
const listen = (bars: boolean, columns = 100) => {
  const clock = { ms: 0 }
  let written = ''
  const output = {
    columns,
    write: (text: string) => {
      written += text
    },
  }
  const listener = terminalProgress({ output, bars, now: () => clock.ms })
  const take = () => {
    const text = written
    written = ''
    return text
  }
  return { clock, listener, take }
}

/** What a terminal shows after text that moves the cursor as the renderer does. */
const screen = (text: string): string[] => {
  const lines: string[] = ['']
  for (const [token] of text.matchAll(/\u001b\[(\d+)A|\u001b\[J|\u001b\[\?7[lh]|\r|\n|[^\u001b\r\n]+/g)) {
    const up = /^\u001b\[(\d+)A$/.exec(token)
    if (up !== null) lines.length -= Number(up[1])
    else if (token === '\u001b[J') lines[lines.length - 1] = ''
    else if (token === '\n') lines.push('')
    else if (!token.startsWith('\u001b') && token !== '\r') lines[lines.length - 1] += token
  }
  return lines
}

beforeEach(() => {
  vi.stubEnv('LC_ALL', 'C')
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

describe('without a terminal', () => {
  test('one line when a stage ends, with count, seconds and rate', () => {
    const { clock, listener, take } = listen(false)
    listener(rows(0, { total: 20_000 }))
    clock.ms = 2_000
    listener(rows(10_000, { total: 20_000 }))
    expect(take()).toBe('')
    clock.ms = 4_000
    listener(rows(20_000, { total: 20_000, finished: true, note: '3 skipped' }))
    expect(take()).toBe('reading a.csv  20,000 rows in 4.0 s (5,000 rows/s)  3 skipped\n')
  })

  test('one more line every ten seconds, with the time left', () => {
    const { clock, listener, take } = listen(false)
    listener(rows(0, { total: 100 }))
    clock.ms = 10_000
    listener(rows(25, { total: 100 }))
    expect(take()).toBe('reading a.csv  25%  25 of 100 rows  2.5 rows/s  0:30 left\n')
    clock.ms = 19_999
    listener(rows(50, { total: 100 }))
    expect(take()).toBe('')
    clock.ms = 20_000
    listener(rows(51, { total: 100 }))
    expect(take()).toMatch(/^reading a\.csv {2}51%/)
  })

  test('bytes in units that people read, without a total', () => {
    const { clock, listener, take } = listen(false)
    listener({ stage: 'fetching', done: 0, unit: 'bytes' })
    clock.ms = 61_000
    listener({ stage: 'fetching', done: 122_000_000, unit: 'bytes', finished: true })
    expect(take()).toBe('fetching  122.0 MB in 1:01 (2.0 MB/s)\n')
  })

  test('control characters of a file name do not reach the terminal', () => {
    const { listener, take } = listen(false)
    listener(rows(1, { stage: 'reading \u001b[2Jx', finished: true }))
    expect(take()).toBe('reading ?[2Jx  1 row in 0.0 s\n')
  })
})

describe('on a terminal', () => {
  test('a bar that is redrawn in place, and one line that stays', () => {
    const { clock, listener, take } = listen(true)
    listener(rows(0, { total: 4 }))
    clock.ms = 1_000
    listener(rows(2, { total: 4 }))
    const half = take()
    expect(screen(half)).toEqual([`reading a.csv  [${'#'.repeat(12)}${'.'.repeat(12)}]  50%  2 of 4 rows  2 rows/s  0:01 left`, ''])
    clock.ms = 2_000
    listener(rows(4, { total: 4, finished: true }))
    expect(screen(half + take())).toEqual(['reading a.csv  4 rows in 2.0 s (2 rows/s)', ''])
  })

  test('several stages at once keep their lines', () => {
    const { clock, listener, take } = listen(true)
    listener(rows(1, { stage: 'a' }))
    clock.ms = 100
    listener(rows(1, { stage: 'b' }))
    clock.ms = 200
    listener(rows(2, { stage: 'a', finished: true }))
    expect(screen(take())).toEqual(['a  2 rows in 0.2 s', 'b  1 row', ''])
  })

  test('is redrawn ten times a second at most, and shows the last event', () => {
    const { clock, listener, take } = listen(true)
    for (let count = 1; count <= 1000; count += 1) {
      clock.ms = count / 10
      listener(rows(count))
    }
    expect(take().match(/\n/g)).toHaveLength(1)
    clock.ms = 101
    vi.advanceTimersByTime(100)
    expect(take()).toContain('1,000 rows')
  })

  test('a narrow terminal gets the figures without the bar', () => {
    const { listener, take } = listen(true, 40)
    listener(rows(1, { total: 4 }))
    expect(screen(take())[0]).toBe('reading a.csv  25%  1 of 4 rows')
  })

  test('a count that falls back starts the stage anew', () => {
    const { clock, listener, take } = listen(true)
    listener(rows(10))
    clock.ms = 10_000
    listener(rows(0))
    clock.ms = 11_000
    listener(rows(5, { finished: true }))
    expect(take()).toContain('5 rows in 1.0 s (5 rows/s)')
  })
})
