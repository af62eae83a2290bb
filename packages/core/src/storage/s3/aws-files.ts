import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Settings of one profile, names in lower case. */
export type AwsProfile = Readonly<Record<string, string>>

const sections = (text: string): Map<string, Record<string, string>> => {
  const found = new Map<string, Record<string, string>>()
  let current: Record<string, string> | undefined
  for (const line of text.split(/\r?\n/)) {
    const header = /^\s*\[\s*(?:profile\s+)?(.+?)\s*\]/.exec(line)
    if (header !== null) {
      current = found.get(header[1]!) ?? {}
      found.set(header[1]!, current)
      continue
    }
    // Indented lines belong to settings that we do not read (s3 = …).
    const setting = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/.exec(line)
    if (setting !== null && current !== undefined) current[setting[1]!.toLowerCase()] = setting[2]!.replace(/\s[#;].*$/, '')
  }
  return found
}

const read = async (path: string): Promise<Map<string, Record<string, string>>> => sections(await readFile(path, 'utf8').catch(() => ''))

/**
 * A profile of `~/.aws/config` and `~/.aws/credentials` (or where `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` say), the
 * second winning; `undefined` where neither has it.
 */
export const readAwsProfile = async (name: string, env: NodeJS.ProcessEnv): Promise<AwsProfile | undefined> => {
  const [config, credentials] = await Promise.all([
    read(env['AWS_CONFIG_FILE'] ?? join(homedir(), '.aws', 'config')),
    read(env['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws', 'credentials')),
  ])
  if (!config.has(name) && !credentials.has(name)) return undefined
  return { ...config.get(name), ...credentials.get(name) }
}
