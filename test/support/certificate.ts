import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate that signs itself, and its key, in PEM. */
export interface TestCertificate {
  readonly key: string
  readonly cert: string
  /** The file of the certificate, for `NODE_EXTRA_CA_CERTS`. */
  readonly file: string
}

/** Makes a certificate with openssl, for names such as `DNS:files.example` and `IP:127.0.0.1`. */
export const makeCertificate = (folder: string, names: readonly string[]): TestCertificate => {
  const [key, file] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=test', '-addext', `subjectAltName=${names.join(',')}`, '-keyout', key, '-out', file]
  const { status, error } = spawnSync('openssl', args, { stdio: 'ignore' })
  if (status !== 0) throw error ?? new Error('openssl made no certificate')
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file }
}
