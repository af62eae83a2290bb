import { join } from 'node:path'
import { root } from './console.mjs'

/** To move a version: change it here; the folder's name has it, so that it is built anew. */
const server = (name, path, version) => {
  const folder = join(root, '.peers', 'object-servers', version)
  return { module: `${path}@${version}`, folder, program: join(folder, process.platform === 'win32' ? `${name}.exe` : name) }
}

/** The object stores that tests start: their Go modules, where they are built, and their programs. */
export const objectServers = {
  s3: server('versitygw', 'github.com/versity/versitygw/cmd/versitygw', 'v1.8.0'),
  gcs: server('fake-gcs-server', 'github.com/fsouza/fake-gcs-server', 'v1.56.1'),
}
