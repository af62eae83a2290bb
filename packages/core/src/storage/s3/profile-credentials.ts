import { failure } from '../../errors/index.js'
import { assumeRole, assumeWebIdentity } from './assume-role.js'
import { readAwsProfile, type AwsProfile } from './aws-files.js'
import { unusable, type FoundCredentials, type S3Credentials } from './found-credentials.js'
import { ssoCredentials } from './sso-credentials.js'

/** Where a profile is looked for, and what it may name. */
export interface ProfileContext {
  readonly region: string
  readonly env: NodeJS.ProcessEnv
  /** What `credential_source` names: `Environment`, `EcsContainer`, `Ec2InstanceMetadata`. */
  readonly sources: Readonly<Record<string, () => Promise<FoundCredentials | undefined>>>
}

const staticKeys = ({ aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey, aws_session_token: sessionToken }: AwsProfile): S3Credentials | undefined =>
  accessKeyId === undefined || secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey, sessionToken }

/** Whose identity a role is taken on with. @param chain - the profiles that led here */
const identityFor = async (name: string, profile: AwsProfile, context: ProfileContext, chain: readonly string[]): Promise<FoundCredentials | undefined> => {
  const { source_profile: other, credential_source: place } = profile
  // A profile may name itself, for its own keys.
  if (other === name) return { keys: staticKeys(profile), source: name }
  if (other !== undefined) return fromChain(other, context, [...chain, name])
  return place !== undefined && Object.hasOwn(context.sources, place) ? context.sources[place]!() : undefined
}

const fromChain = async (name: string, context: ProfileContext, chain: readonly string[]): Promise<FoundCredentials | undefined> => {
  const source = `the profile "${name}" of ~/.aws`
  if (chain.includes(name)) throw unusable(source, `The source_profile of these goes round in a circle: ${[...chain, name].join(', ')}.`)
  const profile = await readAwsProfile(name, context.env)
  if (profile === undefined) return undefined
  const { role_arn: arn, web_identity_token_file: file, role_session_name: session } = profile
  const region = profile['region'] ?? context.region
  if (arn !== undefined && file !== undefined) return assumeWebIdentity(file, { arn, session, region }, context.env)
  if (arn !== undefined && profile['mfa_serial'] === undefined) {
    const identity = await identityFor(name, profile, context, chain)
    if (identity?.keys === undefined) throw unusable(source, 'Its role is taken on with source_profile or credential_source, and there are no credentials.')
    return assumeRole(identity.keys, { arn, session, externalId: profile['external_id'], region, source }, context.env)
  }
  const keys = arn === undefined ? staticKeys(profile) : undefined
  if (keys !== undefined) return { keys, source }
  if (arn === undefined && (profile['sso_session'] !== undefined || profile['sso_start_url'] !== undefined)) return ssoCredentials(name, profile, source, context.env)
  if (arn === undefined && profile['credential_process'] === undefined) return undefined
  throw failure({
    tag: 'Usage', code: 'S3_PROFILE_NEEDS_CLI', problem: `${source} asks for a code of a device or runs a program, which is the AWS CLI's work`,
    remedy: `Run: eval "$(aws configure export-credentials --profile ${JSON.stringify(name)} --format env)", or give credentials as a function.`,
  })
}

/**
 * The credentials of a profile of `~/.aws`: its own keys, a role that it takes on (`role_arn` with `source_profile`, `credential_source` or
 * `web_identity_token_file`), or what it signs on for. `undefined` for a profile that says nothing of them.
 *
 * @throws `Usage` for a profile that leads nowhere, `Storage` where the services refuse
 */
export const profileCredentials = (name: string, context: ProfileContext): Promise<FoundCredentials | undefined> => fromChain(name, context, [])
