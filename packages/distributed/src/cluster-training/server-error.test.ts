import { statusFailure } from '@millrace/export'
import { describe, expect, test } from 'vitest'
import { noteOf } from './lost-session.js'
import { inOneLine } from './server-error.js'

const noColumn = `=====================
INVALID_ARGUMENT: From /job:worker/replica:0/task:0:
Name: <unknown>, Feature: zzz (data type: float) is required but could not be found.
\t [[{{node next}}]]
INVALID_ARGUMENT: From /job:ps/replica:0/task:0:
Name: <unknown>, Feature: zzz (data type: float) is required but could not be found.
Additional GRPC error information from remote target /job:worker/replica:0/task:0 while calling /tensorflow.WorkerService/RecvTensor:
=====================`

describe('what a server says of a step', () => {
  const data = { files: '/data/train-*' }

  test('is one line, with the files and what to do', () => {
    const thrown = statusFailure(3, noColumn)
    const { message, code, cause } = inOneLine(thrown, { data })
    expect(message).toBe('Name: <unknown>, Feature: zzz (data type: float) is required but could not be found (/data/train-*). See that the rows have the columns that the model and its label take, with their kinds and lengths.')
    expect([code, cause]).toEqual(['TF_INVALID_ARGUMENT', thrown])
    expect(inOneLine(statusFailure(15, 'From /job:worker/replica:0/task:0:\ncorrupted record at 0 (Is this even a TFRecord file?)\n\t [[{{node next}}]]'), { data }).message)
      .toBe('corrupted record at 0 (Is this even a TFRecord file?) (/data/train-*). See that the files are TFRecords, whole, and packed as data.compression says.')
  })

  test('of other things has their remedy, and what is one line anyway stays', () => {
    expect(inOneLine(statusFailure(8, 'From /job:ps/replica:0/task:0:\nOOM when allocating tensor'), { data }).message).toBe('OOM when allocating tensor. Use smaller batches, or a machine with more memory.')
    const thrown = statusFailure(14, 'connect ECONNREFUSED 127.0.0.1:1')
    expect(inOneLine(thrown, { data })).toBe(thrown)
  })

  test('is noted by what went wrong, not by where', () => {
    expect(noteOf(statusFailure(9, 'FAILED_PRECONDITION: From /job:worker/replica:0/task:0:\n/data; Is a directory'))).toBe('/data; Is a directory')
    expect(noteOf(statusFailure(9, 'FAILED_PRECONDITION: From /job:worker/replica:0/task:0:'))).toBe('FAILED_PRECONDITION')
  })
})
