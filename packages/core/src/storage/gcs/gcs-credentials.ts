import { createSign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { failure, fromUnknown } from '../../errors/index.js'
import { askSmall, jsonFields } from '../http/small-answer.js'

/** A bearer token, for a while. */
export interface GcsAccessToken {
  readonly accessToken: string
  /** When it lapses. Default: in a minute, when it is asked for again. */
  readonly expiresAt?: Date | undefined
}

/** Where tokens come from: a file of a service account or a user, its contents, a function that fetches them, or nobody, for public buckets. */
export type GcsCredentialSource = { readonly keyFile: string } | { readonly key: Readonly<Record<string, unknown>> } | (() => Promise<GcsAccessToken>) | 'anonymous'

/** A token, and where it was found. */
export interface FoundToken {
  /** `undefined`: requests go without. */
  readonly token: GcsAccessToken | undefined
  /** For errors, which name the source and never a value. */
  readonly source: string
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'
const TOKEN_URL = 'https://oauth2.googleapis.com/token'
const TOKEN_TIMEOUT_MS = 10_000
/** A metadata server answers within milliseconds where there is one. */
const METADATA_TIMEOUT_MS = 1000
const ASSERTION_SECONDS = 3600
const DEFAULT_TOKEN_SECONDS = 60

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const unusable = (source: string, problem: string, remedy: string, cause?: unknown): Error =>
  failure({ tag: 'Usage', code: 'GCS_BAD_CREDENTIALS', problem: `${source} ${problem}`, remedy, cause })

const tokenIn = (answer: string, source: string): FoundToken => {
  const fields = jsonFields(answer)
  const accessToken = text(fields['access_token'])
  if (accessToken === undefined) throw unusable(source, 'gave no token', 'Check that it is allowed to use storage.')
  const seconds = Number(fields['expires_in'] ?? DEFAULT_TOKEN_SECONDS)
  return { token: { accessToken, expiresAt: new Date(Date.now() + seconds * 1000) }, source }
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** What a service account asks for its token with: https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests */
const assertion = (email: string, privateKey: string, audience: string, source: string): string => {
  const now = Math.floor(Date.now() / 1000)
  const claims = `${base64url({ alg: 'RS256', typ: 'JWT' })}.${base64url({ iss: email, scope: SCOPE, aud: audience, iat: now, exp: now + ASSERTION_SECONDS })}`
  try {
    return `${claims}.${createSign('RSA-SHA256').update(claims).sign(privateKey, 'base64url')}`
  } catch {
    // What OpenSSL says of a key is no help, and the key is near.
    throw unusable(source, 'has a private_key that is none', 'Make a new key of the service account.')
  }
}

const fromKey = async (key: Readonly<Record<string, unknown>>, source: string): Promise<FoundToken> => {
  const tokenUrl = text(key['token_uri']) ?? TOKEN_URL
  const ask = async (fields: Record<string, string>): Promise<FoundToken> => {
    const body = new URLSearchParams(fields).toString()
    return tokenIn(await askSmall(`OAuth for ${source}`, tokenUrl, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body, timeoutMs: TOKEN_TIMEOUT_MS, tries: 4 }), source)
  }
  const [email, privateKey] = [text(key['client_email']), text(key['private_key'])]
  if (email !== undefined && privateKey !== undefined) return ask({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: assertion(email, privateKey, tokenUrl, source) })
  const [id, secret, refresh] = [text(key['client_id']), text(key['client_secret']), text(key['refresh_token'])]
  if (id !== undefined && secret !== undefined && refresh !== undefined) return ask({ grant_type: 'refresh_token', client_id: id, client_secret: secret, refresh_token: refresh })
  throw unusable(source, 'is neither of a service account nor of a user', 'Of other kinds, give the token as a function: credentials: async () => ({ accessToken }).')
}

const fromFile = async (path: string, source: string): Promise<FoundToken> => {
  const contents = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unusable(source, 'cannot be read', 'Check its path.', cause)
  })
  return fromKey(jsonFields(contents), source)
}

/** Where `gcloud auth application-default login` leaves its file. */
const gcloudFile = (env: NodeJS.ProcessEnv): string => {
  const folder = text(env['CLOUDSDK_CONFIG']) ?? (process.platform === 'win32' ? join(env['APPDATA'] ?? homedir(), 'gcloud') : join(homedir(), '.config', 'gcloud'))
  return join(folder, 'application_default_credentials.json')
}

const fromMetadata = async (env: NodeJS.ProcessEnv): Promise<FoundToken | undefined> => {
  const host = text(env['GCE_METADATA_HOST']) ?? 'metadata.google.internal'
  const source = 'the service account of the machine'
  try {
    const answer = await askSmall(source, `http://${host}/computeMetadata/v1/instance/service-accounts/default/token`, { headers: { 'metadata-flavor': 'Google' }, timeoutMs: METADATA_TIMEOUT_MS, tries: 2 })
    return tokenIn(answer, source)
  } catch {
    return undefined
  }
}

/**
 * A token from where Google's tools look, in their order (Application Default Credentials): the file that
 * `GOOGLE_APPLICATION_CREDENTIALS` names, gcloud's, the metadata server.
 *
 * @throws `Usage` GCS_NO_CREDENTIALS, GCS_BAD_CREDENTIALS
 */
const findToken = async (env: NodeJS.ProcessEnv): Promise<FoundToken> => {
  const named = text(env['GOOGLE_APPLICATION_CREDENTIALS'])
  if (named !== undefined) return fromFile(named, 'the file that GOOGLE_APPLICATION_CREDENTIALS names')
  const path = gcloudFile(env)
  const contents = await readFile(path, 'utf8').catch(() => undefined)
  const found = contents === undefined ? await fromMetadata(env) : await fromKey(jsonFields(contents), "gcloud's application default credentials")
  if (found !== undefined) return found
  throw failure({
    tag: 'Usage', code: 'GCS_NO_CREDENTIALS', problem: 'no Google credentials were found: neither GOOGLE_APPLICATION_CREDENTIALS, nor those of gcloud, nor a metadata server',
    remedy: "Run gcloud auth application-default login, or give credentials by registerStorage(gcsStorage({ credentials })); 'anonymous' is for public buckets.",
  })
}

/** The token of the source given, or of the environment. */
export const gcsToken = async (given: GcsCredentialSource | undefined, env: NodeJS.ProcessEnv = process.env): Promise<FoundToken> => {
  if (given === undefined) return findToken(env)
  if (given === 'anonymous') return { token: undefined, source: 'nobody (anonymous)' }
  if (typeof given === 'function') {
    try {
      return { token: await given(), source: 'the function given in code' }
    } catch (cause) {
      throw unusable('the function given for credentials', 'failed', 'Its own words are in the cause.', fromUnknown(cause))
    }
  }
  return 'key' in given ? fromKey(given.key, 'the key given in code') : fromFile(given.keyFile, 'the key file given in code')
}
