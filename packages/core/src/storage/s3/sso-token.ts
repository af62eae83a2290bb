import { createHash, randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { failure, hasTag } from '../../errors/index.js'
import { askSmall, jsonFields } from '../http/small-answer.js'
import { text } from './found-credentials.js'

const TIMEOUT_MS = 10_000
/** Tokens are renewed before they lapse, as the AWS tools do. */
const RENEWED_BEFORE_MS = 5 * 60_000

/** Who signs on. */
export interface SignOn {
  /** Name of the `sso-session`; `undefined` for a profile that has its settings itself, whose token cannot be renewed. */
  readonly session: string | undefined
  readonly start: string
  readonly region: string
  /** The profile, for the command that signs on again. */
  readonly profile: string
  /** For errors. */
  readonly source: string
}

/** What `aws sso login` keeps. */
type Kept = Readonly<Record<string, unknown>>

/** Nobody has signed on, or not lately enough. */
export const mustSignOn = ({ profile, source }: SignOn): Error =>
  failure({ tag: 'Usage', code: 'S3_SIGN_ON', problem: `nobody has signed on for ${source}, or it was too long ago`, remedy: `Run: aws sso login --profile ${JSON.stringify(profile)}` })

const cacheFile = ({ session, start }: SignOn, env: NodeJS.ProcessEnv): string =>
  join(env['HOME'] ?? env['USERPROFILE'] ?? homedir(), '.aws', 'sso', 'cache', `${createHash('sha1').update(session ?? start).digest('hex')}.json`)

/** Milliseconds until a time of the cache; the CLI's first version wrote `UTC` for `Z`. */
const timeLeft = (time: unknown): number => {
  const at = Date.parse((text(time) ?? '').replace(/UTC$/, 'Z'))
  return Number.isNaN(at) ? -Infinity : at - Date.now()
}

/** Keeps a new token where the AWS tools look for it: the one before cannot be renewed any more. Who may not write there renews again. */
const keep = async (file: string, kept: Kept): Promise<void> => {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.tmp`
  try {
    await writeFile(temporary, JSON.stringify(kept), { mode: 0o600 })
    await rename(temporary, file)
  } catch {
    await rm(temporary, { force: true }).catch(() => undefined)
  }
}

/** A new token for one that can be renewed; `undefined` where the service refuses it. @throws `Storage` where the service is not reached */
const renew = async (signOn: SignOn, kept: Kept, file: string, env: NodeJS.ProcessEnv): Promise<string | undefined> => {
  const base = (env['AWS_ENDPOINT_URL_SSO_OIDC'] ?? `https://oidc.${signOn.region}.amazonaws.com`).replace(/\/+$/, '')
  const { clientId, clientSecret, refreshToken } = kept
  const body = JSON.stringify({ clientId, clientSecret, refreshToken, grantType: 'refresh_token' })
  const answer = await askSmall(`IAM Identity Center for ${signOn.source}`, `${base}/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body, timeoutMs: TIMEOUT_MS, tries: 4 }).catch((error: unknown) => {
    if (hasTag(error, 'Storage') && error.code === 'CREDENTIALS_REFUSED') return undefined
    throw error
  })
  const given = jsonFields(answer ?? '')
  const accessToken = text(given['accessToken'])
  const seconds = Number(given['expiresIn'])
  if (accessToken === undefined || !(seconds > 0)) return undefined
  const expiresAt = new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')
  await keep(file, { ...kept, accessToken, expiresAt, refreshToken: text(given['refreshToken']) ?? refreshToken })
  return accessToken
}

/** Renewals under way, by the file: a token can be renewed once. */
const renewals = new Map<string, Promise<string | undefined>>()

const renewOnce = (signOn: SignOn, kept: Kept, file: string, env: NodeJS.ProcessEnv): Promise<string | undefined> => {
  const before = renewals.get(file)
  if (before !== undefined) return before
  const renewal = renew(signOn, kept, file, env).finally(() => renewals.delete(file))
  renewals.set(file, renewal)
  return renewal
}

/**
 * The token that `aws sso login` left in `~/.aws/sso/cache`; of an `sso-session` renewed before it lapses, as long as its registration lasts, and kept there.
 *
 * @throws `Usage` S3_SIGN_ON where there is none, or it has lapsed and cannot be renewed; `Storage` where it can and the service is not reached
 * @see https://docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_CreateToken.html
 */
export const ssoToken = async (signOn: SignOn, env: NodeJS.ProcessEnv): Promise<string> => {
  const file = cacheFile(signOn, env)
  const kept = jsonFields(await readFile(file, 'utf8').catch(() => ''))
  const token = text(kept['accessToken'])
  const left = token === undefined ? -Infinity : timeLeft(kept['expiresAt'])
  if (token !== undefined && left > RENEWED_BEFORE_MS) return token
  const isRenewable = signOn.session !== undefined && ['clientId', 'clientSecret', 'refreshToken'].every((name) => text(kept[name]) !== undefined) && timeLeft(kept['registrationExpiresAt']) > 0
  const renewed = isRenewable ? await renewOnce(signOn, kept, file, env).catch((error: unknown) => (left > 0 ? undefined : Promise.reject(error as Error))) : undefined
  if (renewed !== undefined) return renewed
  if (token !== undefined && left > 0) return token
  throw mustSignOn(signOn)
}
