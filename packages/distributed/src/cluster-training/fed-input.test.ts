import { field, fromRows } from '@millrace/core'
import { expect, test } from 'vitest'
import { fedInput } from './fed-input.js'

const data = fromRows({ x: field.float32() }, [])

test('a share without rows is told of, and that fewer workers may have one', async () => {
  const input = (count: number) => fedInput({ data, share: { index: count - 1, count }, batchSize: 4, feeds: [] })
  await expect(input(2).next(1)).rejects.toMatchObject({ code: 'NO_ROWS', message: expect.stringMatching(/share 2 of 2 of the stream .* no more workers than there are rows\.$/) as string })
  await expect(input(1).next(1)).rejects.toMatchObject({ code: 'NO_ROWS', message: expect.not.stringContaining('workers') as string })
})
