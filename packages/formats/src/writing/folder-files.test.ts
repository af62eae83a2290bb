import { batchFromRows, failure, field, type Output } from '@millrace/core'
import { describe, expect, it } from 'vitest'
import { errorOf } from '../../../../test/support/error-of.js'
import type { FileFormat } from './file-writer.js'
import { FolderFiles } from './folder-files.js'

const schema = { id: field.int32() }
const rows = batchFromRows(schema, [{ id: 1 }])
const format = { ending: '.x', groupRows: 10, open: async () => ({ bytes: 1, held: 0, heldBytes: 0, write: async () => undefined, flush: async () => undefined, end: async () => undefined, destroy: () => undefined }) } as unknown as FileFormat

/** Outputs that are closed when the test says so. */
class SlowOutputs {
  readonly waiting: { readonly done: () => void; readonly fail: (error: unknown) => void }[] = []
  closed = 0

  async add(url: string): Promise<Output> {
    const close = async (): Promise<void> => {
      await new Promise<void>((done, fail) => this.waiting.push({ done, fail }))
      this.closed++
    }
    return { url, write: async () => undefined, close, commit: async () => undefined, abort: async () => undefined }
  }
}

const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

describe('the files of a folder', () => {
  const write = async (files: FolderFiles, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await files.write(`k=${i}`, 0, rows)
    await files.finish()
  }

  it('are closed side by side, some at a time, all before it is over', async () => {
    const outputs = new SlowOutputs()
    let isOver = false
    const writing = write(new FolderFiles(outputs, 'out', format, { openFiles: 1 }, ''), 40).then(() => (isOver = true))
    await turns()
    expect(outputs.waiting).toHaveLength(16)
    outputs.waiting[7]!.done()
    await turns()
    expect(outputs.waiting).toHaveLength(17)
    for (let i = 0; i < 40; i++) {
      outputs.waiting[i]!.done()
      if (i === 38) {
        await turns()
        expect(isOver).toBe(false)
      }
      await turns()
    }
    await writing
    expect(outputs.closed).toBe(40)
  })

  it('fail with the one that cannot be closed', async () => {
    const outputs = new SlowOutputs()
    const files = new FolderFiles(outputs, 'out', format, { openFiles: 1 }, '')
    const writing = write(files, 40)
    const error = errorOf(writing)
    await turns()
    outputs.waiting[3]!.fail(failure({ tag: 'Storage', code: 'ENOSPC', problem: 'the disk is full' }))
    expect((await error).code).toBe('ENOSPC')
    let isSettled = false
    const settled = files.settle().then(() => (isSettled = true))
    await turns()
    expect(isSettled).toBe(false)
    for (const { done } of outputs.waiting) done()
    await settled
  })

  it('fail at the end with the last one, too', async () => {
    const outputs = new SlowOutputs()
    const error = errorOf(write(new FolderFiles(outputs, 'out', format, {}, ''), 3))
    await turns()
    expect(outputs.waiting).toHaveLength(3)
    outputs.waiting[0]!.done()
    outputs.waiting[1]!.done()
    outputs.waiting[2]!.fail(failure({ tag: 'Storage', code: 'EIO', problem: 'the device reported an error' }))
    expect((await error).code).toBe('EIO')
  })
})
