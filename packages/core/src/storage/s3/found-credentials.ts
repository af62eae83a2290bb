import { failure } from '../../errors/index.js'
import type { SigningKeys } from './sigv4.js'

/** Keys of an AWS account, or of a role for a while. */
export interface S3Credentials extends SigningKeys {
  /** When they lapse. Default: never. */
  readonly expiresAt?: Date | undefined
}

/** Credentials, and where they were found. */
export interface FoundCredentials {
  /** `undefined`: requests are not signed. */
  readonly keys: S3Credentials | undefined
  /** For errors, which name the source and never a value. */
  readonly source: string
}

/** A text that says something. */
export const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const date = (value: string | undefined): Date | undefined => (value === undefined || Number.isNaN(Date.parse(value)) ? undefined : new Date(value))

/** The error for a source of credentials that gives none. */
export const unusable = (source: string, remedy: string): Error => failure({ tag: 'Usage', code: 'S3_BAD_CREDENTIALS', problem: `${source} gave no credentials`, remedy })

/** Credentials as the servers of AWS write them. */
export const keysOf = (fields: Readonly<Record<string, unknown>>, source: string): FoundCredentials => {
  const accessKeyId = text(fields['AccessKeyId'])
  const secretAccessKey = text(fields['SecretAccessKey'])
  if (accessKeyId === undefined || secretAccessKey === undefined) throw unusable(source, 'Check that a role is attached.')
  return { keys: { accessKeyId, secretAccessKey, sessionToken: text(fields['Token']) ?? text(fields['SessionToken']), expiresAt: date(text(fields['Expiration'])) }, source }
}
