import { failure } from '../../errors/index.js'
import { readAwsProfile } from './aws-files.js'
import type { S3CredentialSource } from './s3-credentials.js'

/** Options of `s3Storage`. What is left out comes from where the AWS tools look. */
export interface S3StorageOptions {
  /** Scheme of the URLs. Default `s3`; another one (`minio`) lets two services be used side by side. */
  readonly scheme?: string | undefined
  /** URL of a compatible service: `https://minio.example:9000`. Default: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's, else AWS. */
  readonly endpoint?: string | undefined
  /** Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's, else `us-east-1`; a bucket that is elsewhere is found. */
  readonly region?: string | undefined
  /** Default: the environment, a web identity, the profile, the container, the instance, in this order. */
  readonly credentials?: S3CredentialSource | undefined
  /** A profile of `~/.aws`. Default: `AWS_PROFILE`, else `default`. */
  readonly profile?: string | undefined
  /** Whether the bucket is in the path, not in the host. Default: for AWS only where the bucket's name takes it, else always. */
  readonly pathStyle?: boolean | undefined
  /** Bytes of one part of an upload: 5 MiB to 5 GiB. A file has at most 10,000 parts. Default 8 MiB. */
  readonly partBytes?: number | undefined
  /** Parts that are sent at once, over all files. Default 4. */
  readonly parallelParts?: number | undefined
  /** Tries of one request, the first included, with pauses that grow from 0.2 s. Default 7. */
  readonly tries?: number | undefined
}

/** Where requests go. */
export interface S3Settings {
  /** `undefined` for AWS itself. */
  readonly endpoint: URL | undefined
  readonly region: string
}

/** `us-west-2`, `auto`: it becomes a part of a host's name. */
export const isRegion = (text: string): boolean => /^[a-z0-9][a-z0-9-]{0,62}$/.test(text)

const endpointOf = (url: string | undefined): URL | undefined => {
  if (url === undefined || url === '') return undefined
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const isPlain = parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === '' && parsed.search === ''
  if (isPlain) return parsed
  throw failure({ tag: 'Usage', code: 'S3_BAD_ENDPOINT', problem: 'the endpoint of S3 is no plain http(s) URL', remedy: "Write it as 'https://host:port', without user, password and query." })
}

/** Reads the settings anew, since the environment may change. */
export const s3Settings = async (options: S3StorageOptions, env: NodeJS.ProcessEnv = process.env): Promise<S3Settings> => {
  let { endpoint, region } = options
  endpoint ??= env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']
  region ??= env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION']
  if (endpoint === undefined || region === undefined) {
    const profile = await readAwsProfile(options.profile ?? env['AWS_PROFILE'] ?? 'default', env)
    endpoint ??= profile?.['endpoint_url']
    region ??= profile?.['region']
  }
  region ??= 'us-east-1'
  if (!isRegion(region)) throw failure({ tag: 'Usage', code: 'S3_BAD_REGION', problem: `"${region}" is no region`, remedy: "Write it as in 'eu-central-1'." })
  return { endpoint: endpointOf(endpoint), region }
}
