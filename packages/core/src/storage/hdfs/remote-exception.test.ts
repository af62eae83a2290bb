import { expect, it } from 'vitest'
import { parseRemoteException, remoteError } from './remote-exception.js'

// Found by the fuzz campaign, seed 261132.
it('an exception whose name goes on with a secret is shown without it', () => {
  const found = parseRemoteException(JSON.stringify({ RemoteException: { exception: 'FileNot: token=secret.secret', message: 'delegation=secret' } }))
  expect(remoteError(found!, 'hdfs://h/f').message).toMatch(/^HDFS says FileNot: delegation=…/)
})

// Found while the fuzz campaign was extended: such an error had no tag.
it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('an exception named %s is one that nobody knows', (exception) => {
  const found = parseRemoteException(JSON.stringify({ RemoteException: { exception, message: 'no' } }))
  expect(remoteError(found!, 'hdfs://h/f')).toMatchObject({ _tag: 'Storage', problem: `HDFS says ${exception}: no` })
})
