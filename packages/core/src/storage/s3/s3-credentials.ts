import { readFile } from 'node:fs/promises'
import { failure } from '../../errors/index.js'
import { askSmall, jsonFields } from '../http/small-answer.js'
import { readAwsProfile } from './aws-files.js'
import type { SigningKeys } from './sigv4.js'
import { childrenOf, parseXml } from './xml.js'

/** Keys of an AWS account, or of a role for a while. */
export interface S3Credentials extends SigningKeys {
  /** When they lapse. Default: never. */
  readonly expiresAt?: Date | undefined
}

/** Where credentials come from: themselves, a function that fetches them, or none, for public buckets. */
export type S3CredentialSource = S3Credentials | (() => Promise<S3Credentials>) | 'anonymous'

/** Credentials, and where they were found. */
export interface FoundCredentials {
  /** `undefined`: requests are not signed. */
  readonly keys: S3Credentials | undefined
  /** For errors, which name the source and never a value. */
  readonly source: string
}

/** A metadata server answers within milliseconds where there is one. */
const METADATA_TIMEOUT_MS = 1000
const TOKEN_TIMEOUT_MS = 10_000
const INSTANCE_TOKEN_SECONDS = '300'

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const date = (value: string | undefined): Date | undefined => (value === undefined || Number.isNaN(Date.parse(value)) ? undefined : new Date(value))

const unusable = (source: string, remedy: string): Error =>
  failure({ tag: 'Usage', code: 'S3_BAD_CREDENTIALS', problem: `${source} gave no credentials`, remedy })

const keysOf = (fields: Readonly<Record<string, unknown>>, source: string): FoundCredentials => {
  const accessKeyId = text(fields['AccessKeyId'])
  const secretAccessKey = text(fields['SecretAccessKey'])
  if (accessKeyId === undefined || secretAccessKey === undefined) throw unusable(source, 'Check that a role is attached.')
  return { keys: { accessKeyId, secretAccessKey, sessionToken: text(fields['Token']) ?? text(fields['SessionToken']), expiresAt: date(text(fields['Expiration'])) }, source }
}

const fromEnvironment = (env: NodeJS.ProcessEnv): FoundCredentials | undefined => {
  const accessKeyId = text(env['AWS_ACCESS_KEY_ID'])
  const secretAccessKey = text(env['AWS_SECRET_ACCESS_KEY'])
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined
  return { keys: { accessKeyId, secretAccessKey, sessionToken: text(env['AWS_SESSION_TOKEN']) }, source: 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY' }
}

/** A role for the identity that the platform (Kubernetes, a CI service) attests by a file. */
const fromWebIdentity = async (role: string, file: string, session: string | undefined, region: string, env: NodeJS.ProcessEnv): Promise<FoundCredentials> => {
  const source = `the web identity of ${file}`
  const token = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw failure({ tag: 'Usage', code: 'S3_BAD_CREDENTIALS', problem: `${source} cannot be read`, remedy: 'Check AWS_WEB_IDENTITY_TOKEN_FILE.', cause })
  })
  const endpoint = env['AWS_ENDPOINT_URL_STS'] ?? `https://sts.${region}.amazonaws.com`
  const body = new URLSearchParams({ Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleArn: role, RoleSessionName: session ?? `millrace-${process.pid}`, WebIdentityToken: token.trim() })
  const answer = await askSmall(`STS for ${source}`, endpoint, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: body.toString(), timeoutMs: TOKEN_TIMEOUT_MS, tries: 4 })
  const result = childrenOf(parseXml(answer), 'AssumeRoleWithWebIdentityResult')[0]
  const fields = Object.fromEntries((childrenOf(result, 'Credentials')[0]?.children ?? []).map((child) => [child.name, child.text]))
  return keysOf(fields, source)
}

const fromProfile = async (name: string, region: string, env: NodeJS.ProcessEnv): Promise<FoundCredentials | undefined> => {
  const profile = await readAwsProfile(name, env)
  if (profile === undefined) return undefined
  const source = `the profile "${name}" of ~/.aws`
  const { aws_access_key_id: id, aws_secret_access_key: secret, role_arn: role, web_identity_token_file: file } = profile
  if (role !== undefined && file !== undefined) return fromWebIdentity(role, file, profile['role_session_name'], region, env)
  if (role === undefined && id !== undefined && secret !== undefined) return { keys: { accessKeyId: id, secretAccessKey: secret, sessionToken: profile['aws_session_token'] }, source }
  if (role === undefined && profile['sso_start_url'] === undefined && profile['sso_session'] === undefined && profile['credential_process'] === undefined) return undefined
  throw failure({
    tag: 'Usage', code: 'S3_PROFILE_NEEDS_CLI', problem: `${source} assumes a role, signs on or runs a program, which is the AWS CLI's work`,
    remedy: `Run: eval "$(aws configure export-credentials --profile ${JSON.stringify(name)} --format env)", or give credentials as a function.`,
  })
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
  const found =
    (profile === undefined ? fromEnvironment(env) : undefined) ??
    (profile === undefined && role !== undefined && token !== undefined ? await fromWebIdentity(role, token, env['AWS_ROLE_SESSION_NAME'], region, env) : undefined) ??
    (await fromProfile(name, region, env)) ??
    (await fromContainer(env)) ??
    (await fromInstance(env))
  if (found !== undefined) return found
  throw failure({
    tag: 'Usage', code: 'S3_NO_CREDENTIALS', problem: 'no AWS credentials were found: not in the environment, nor in the profile, nor from a container or an instance',
    remedy: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or give credentials by registerStorage(s3Storage({ credentials })); 'anonymous' is for public buckets.",
  })
}
