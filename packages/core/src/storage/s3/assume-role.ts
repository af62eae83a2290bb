import { readFile } from 'node:fs/promises'
import { failure } from '../../errors/index.js'
import { askSmall } from '../http/small-answer.js'
import { keysOf, type FoundCredentials } from './found-credentials.js'
import { signedHeaders, type SigningKeys } from './sigv4.js'
import { childrenOf, parseXml } from './xml.js'

const TIMEOUT_MS = 10_000

/** A role to take on. */
export interface AssumedRole {
  readonly arn: string
  /** Default: a name of this process. */
  readonly session: string | undefined
  readonly externalId?: string | undefined
  readonly region: string
  /** Whose identity it is taken on with, for errors. */
  readonly source: string
}

/** Asks the Security Token Service: https://docs.aws.amazon.com/STS/latest/APIReference/welcome.html */
const askSts = async (action: string, role: AssumedRole, fields: Readonly<Record<string, string>>, keys: SigningKeys | undefined, env: NodeJS.ProcessEnv): Promise<FoundCredentials> => {
  const { arn, session, region, source } = role
  const url = new URL(env['AWS_ENDPOINT_URL_STS'] ?? `https://sts.${region}.amazonaws.com`)
  const form = { Action: action, Version: '2011-06-15', RoleArn: arn, RoleSessionName: session ?? `millrace-${process.pid}`, ...fields }
  const body = new URLSearchParams(form).toString()
  const plain = { 'content-type': 'application/x-www-form-urlencoded' }
  const scope = { region, service: 'sts', now: new Date() }
  const headers = keys === undefined ? plain : signedHeaders({ method: 'POST', host: url.host, path: url.pathname, query: '', headers: plain, body: Buffer.from(body) }, keys, scope)
  const answer = await askSmall(`STS for ${source}`, url.href, { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS, tries: 4 })
  const result = childrenOf(parseXml(answer), `${action}Result`)[0]
  return keysOf(Object.fromEntries((childrenOf(result, 'Credentials')[0]?.children ?? []).map((child) => [child.name, child.text])), source)
}

/** A role for the identity that the platform (Kubernetes, a CI service) attests by a file. */
export const assumeWebIdentity = async (file: string, role: Omit<AssumedRole, 'source' | 'externalId'>, env: NodeJS.ProcessEnv): Promise<FoundCredentials> => {
  const source = `the web identity of ${file}`
  const token = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw failure({ tag: 'Usage', code: 'S3_BAD_CREDENTIALS', problem: `${source} cannot be read`, remedy: 'Check AWS_WEB_IDENTITY_TOKEN_FILE.', cause })
  })
  return askSts('AssumeRoleWithWebIdentity', { ...role, source }, { WebIdentityToken: token.trim() }, undefined, env)
}

/** A role for who has keys. */
export const assumeRole = (keys: SigningKeys, role: AssumedRole, env: NodeJS.ProcessEnv): Promise<FoundCredentials> =>
  askSts('AssumeRole', role, role.externalId === undefined ? {} : { ExternalId: role.externalId }, keys, env)
