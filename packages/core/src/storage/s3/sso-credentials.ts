import { hasTag } from '../../errors/index.js'
import { askSmall, jsonFields } from '../http/small-answer.js'
import { readAwsProfile, type AwsProfile } from './aws-files.js'
import { text, unusable, type FoundCredentials } from './found-credentials.js'
import { mustSignOn, ssoToken } from './sso-token.js'

const TIMEOUT_MS = 10_000

/**
 * Credentials of a profile that signs on (IAM Identity Center), by the token that `aws sso login` left.
 *
 * @throws `Usage` S3_SIGN_ON where there is none, it has lapsed and cannot be renewed, or it is refused
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html
 */
export const ssoCredentials = async (name: string, profile: AwsProfile, source: string, env: NodeJS.ProcessEnv): Promise<FoundCredentials> => {
  const session = profile['sso_session']
  const settings = session === undefined ? profile : { ...profile, ...(await readAwsProfile(`sso-session ${session}`, env)) }
  const { sso_start_url: start, sso_region: region, sso_account_id: account, sso_role_name: role } = settings
  if (start === undefined || region === undefined || account === undefined || role === undefined || !/^[a-z0-9-]+$/.test(region)) {
    throw unusable(source, 'A profile that signs on takes sso_start_url and sso_region (or an sso_session that has them), sso_account_id and sso_role_name.')
  }
  const signOn = { session, start, region, profile: name, source }
  const token = await ssoToken(signOn, env)
  const base = (env['AWS_ENDPOINT_URL_SSO'] ?? `https://portal.sso.${region}.amazonaws.com`).replace(/\/+$/, '')
  const query = new URLSearchParams({ role_name: role, account_id: account })
  const answer = await askSmall(`IAM Identity Center for ${source}`, `${base}/federation/credentials?${query.toString()}`, { headers: { 'x-amz-sso_bearer_token': token }, timeoutMs: TIMEOUT_MS, tries: 4 }).catch((error: unknown) => {
    // The session was ended elsewhere.
    throw hasTag(error, 'Storage') && error.code === 'CREDENTIALS_REFUSED' && error.problem.includes('status 401') ? mustSignOn(signOn) : error
  })
  const given = (jsonFields(answer)['roleCredentials'] ?? {}) as Readonly<Record<string, unknown>>
  const accessKeyId = text(given['accessKeyId'])
  const secretAccessKey = text(given['secretAccessKey'])
  if (accessKeyId === undefined || secretAccessKey === undefined) throw unusable(source, 'Check sso_account_id and sso_role_name.')
  const lapse = given['expiration']
  return { keys: { accessKeyId, secretAccessKey, sessionToken: text(given['sessionToken']), expiresAt: typeof lapse === 'number' ? new Date(lapse) : undefined }, source }
}
