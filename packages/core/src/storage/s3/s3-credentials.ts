import { readFile } from 'node:fs/promises'
import { failure } from '../../errors/index.js'
import { askSmall, jsonFields } from '../http/small-answer.js'
import { assumeWebIdentity } from './assume-role.js'
import { keysOf, text, unusable, type FoundCredentials, type S3Credentials } from './found-credentials.js'
import { profileCredentials } from './profile-credentials.js'

export type { FoundCredentials, S3Credentials } from './found-credentials.js'

/** Where credentials come from: themselves, a function that fetches them, or none, for public buckets. */
export type S3CredentialSource = S3Credentials | (() => Promise<S3Credentials>) | 'anonymous'

/** A metadata server answers within milliseconds where there is one. */
const METADATA_TIMEOUT_MS = 1000
const INSTANCE_TOKEN_SECONDS = '300'

const fromEnvironment = (env: NodeJS.ProcessEnv): FoundCredentials | undefined => {
  const accessKeyId = text(env['AWS_ACCESS_KEY_ID'])
  const secretAccessKey = text(env['AWS_SECRET_ACCESS_KEY'])
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { keys: { accessKeyId, secretAccessKey, sessionToken: text(env['AWS_SESSION_TOKEN']) }, source: 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY' }
}

/** Hosts that may be asked without TLS: this machine, and those of ECS and EKS. */
const isLocalHost = (host: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\]|169\.254\.170\.(2|23)|\[fd00:ec2::23\])$/.test(host)

const fromContainer = async (env: NodeJS.ProcessEnv): Promise<FoundCredentials | undefined> => {
  const relative = text(env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI'])
  const url = relative === undefined ? text(env['AWS_CONTAINER_CREDENTIALS_FULL_URI']) : `http://169.254.170.2${relative.startsWith('/') ? relative : `/${relative}`}`
  if (url === undefined) return undefined
  const source = 'the container\'s credentials'
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || (parsed.protocol !== 'https:' && !isLocalHost(parsed.hostname))) throw unusable(source, 'AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or of this machine.')
  const file = text(env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'])
  const token = file === undefined ? text(env['AWS_CONTAINER_AUTHORIZATION_TOKEN']) : (await readFile(file, 'utf8').catch(() => '')).trim()
  const answer = await askSmall(source, url, { headers: token === undefined || token === '' ? {} : { authorization: token }, timeoutMs: METADATA_TIMEOUT_MS })
  return keysOf(jsonFields(answer), source)
}

/** The role of an EC2 instance, by IMDSv2. */
const fromInstance = async (env: NodeJS.ProcessEnv): Promise<FoundCredentials | undefined> => {
  if (env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined
  const base = (env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254').replace(/\/+$/, '')
  const source = 'the role of the instance'
  const ask = (path: string, headers: Record<string, string>, method = 'GET'): Promise<string> => askSmall(source, `${base}${path}`, { method, headers, timeoutMs: METADATA_TIMEOUT_MS, tries: 1 })
  try {
    const token = await ask('/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': INSTANCE_TOKEN_SECONDS }, 'PUT')
    const headers = { 'x-aws-ec2-metadata-token': token }
    const role = (await ask('/latest/meta-data/iam/security-credentials/', headers)).split('\n')[0]!.trim()
    return keysOf(jsonFields(await ask(`/latest/meta-data/iam/security-credentials/${encodeURIComponent(role)}`, headers)), source)
  } catch {
    return undefined
  }
}

/**
 * Credentials from where the AWS tools look, in their order: the environment, a web identity, the profile (`AWS_PROFILE`, else
 * `default`), the container, the instance.
 *
 * @throws `Usage` S3_NO_CREDENTIALS
 */
export const findAwsCredentials = async (profile: string | undefined, region: string, env: NodeJS.ProcessEnv = process.env): Promise<FoundCredentials> => {
  const name = profile ?? text(env['AWS_PROFILE']) ?? 'default'
  const role = text(env['AWS_ROLE_ARN'])
  const token = text(env['AWS_WEB_IDENTITY_TOKEN_FILE'])
  const sources = { Environment: async () => fromEnvironment(env), EcsContainer: () => fromContainer(env), Ec2InstanceMetadata: () => fromInstance(env) }
  const found =
    (profile === undefined ? fromEnvironment(env) : undefined) ??
    (profile === undefined && role !== undefined && token !== undefined ? await assumeWebIdentity(token, { arn: role, session: env['AWS_ROLE_SESSION_NAME'], region }, env) : undefined) ??
    (await profileCredentials(name, { region, env, sources })) ??
    (await fromContainer(env)) ??
    (await fromInstance(env))
  if (found !== undefined) return found
  throw failure({
    tag: 'Usage', code: 'S3_NO_CREDENTIALS', problem: 'no AWS credentials were found: not in the environment, nor in the profile, nor from a container or an instance',
    remedy: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or give credentials by registerStorage(s3Storage({ credentials })); 'anonymous' is for public buckets.",
  })
}
