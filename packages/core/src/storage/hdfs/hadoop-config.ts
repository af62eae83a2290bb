import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { failure, fromUnknown } from '../../errors/index.js'

/** Configurations of large clusters have some thousand properties, in 1 MiB at most. */
const MAX_FILE_BYTES = 16 * 1024 * 1024
/** As in Hadoop: a value whose variables go round in a circle is left as it is. */
const MAX_SUBSTITUTIONS = 20

/** Properties of Hadoop by their names. */
export type HadoopConfig = ReadonlyMap<string, string>

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const unescape = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]+));/gi, (whole, decimal: string | undefined, hex: string | undefined, name: string | undefined) => {
    if (name !== undefined) return entities[name] ?? whole
    const point = decimal === undefined ? parseInt(hex!, 16) : Number(decimal)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })

const elementIn = (xml: string, name: string): string | undefined => {
  const start = xml.indexOf(`<${name}>`)
  const end = start < 0 ? -1 : xml.indexOf(`</${name}>`, start)
  if (end < 0) return undefined
  const text = xml.slice(start + name.length + 2, end)
  const data = /^\s*<!\[CDATA\[([^]*)\]\]>\s*$/.exec(text)
  return (data === null ? unescape(text) : data[1]!).trim()
}

/** Comments are cut out by hand: a pattern would take time that grows with the square of the text. */
const withoutComments = (xml: string): string =>
  xml.split('<!--').map((part, index) => (index === 0 ? part : part.includes('-->') ? part.slice(part.indexOf('-->') + 3) : '')).join('')

/** The properties of one `*-site.xml`. What is no property is passed over, as Hadoop does. */
export const parseHadoopXml = (xml: string): HadoopConfig => {
  const found = new Map<string, string>()
  for (const part of withoutComments(xml).split('<property>').slice(1)) {
    const end = part.indexOf('</property>')
    const property = end < 0 ? part : part.slice(0, end)
    const name = elementIn(property, 'name')
    const value = elementIn(property, 'value')
    if (name !== undefined && value !== undefined) found.set(name, value)
  }
  return found
}

/** A property with its variables (`${other.property}`, `${env.NAME}`) put in. */
export const propertyOf = (config: HadoopConfig, name: string, environment: NodeJS.ProcessEnv = process.env): string | undefined => {
  let value = config.get(name)
  for (let round = 0; value !== undefined && round < MAX_SUBSTITUTIONS; round++) {
    const match = /\$\{([^${}\s]+)\}/.exec(value)
    if (match === null) return value
    const variable = match[1]!
    const put = variable.startsWith('env.') ? environment[variable.slice(4)] : config.get(variable)
    if (put === undefined) return value
    value = value.slice(0, match.index) + put + value.slice(match.index + match[0].length)
  }
  return value
}

/** The parts of a property that is a list. */
export const listOf = (config: HadoopConfig, name: string): readonly string[] =>
  (propertyOf(config, name) ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '')

const readProperties = async (file: string): Promise<HadoopConfig> => {
  try {
    const { size } = await stat(file)
    if (size > MAX_FILE_BYTES) {
      throw failure({ tag: 'Limit', code: 'HADOOP_CONFIG_TOO_LARGE', problem: `the file has ${size} bytes, and at most ${MAX_FILE_BYTES} are read`, remedy: 'Check HADOOP_CONF_DIR.', position: { source: file } })
    }
    return parseHadoopXml(await readFile(file, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw fromUnknown(error, { source: file })
  }
}

/** The folder of Hadoop's configuration: `HADOOP_CONF_DIR`, else `HADOOP_HOME/etc/hadoop`; `undefined` where neither is set. */
export const hadoopConfigFolder = (environment: NodeJS.ProcessEnv = process.env): string | undefined => {
  const { HADOOP_CONF_DIR: folder, HADOOP_HOME: home } = environment
  if (folder !== undefined && folder !== '') return folder
  return home === undefined || home === '' ? undefined : join(home, 'etc', 'hadoop')
}

/** `core-site.xml` and `hdfs-site.xml` of a folder; nothing for a file that is not there. */
export const readHadoopConfig = async (folder: string | undefined): Promise<HadoopConfig> => {
  if (folder === undefined) return new Map()
  const files = await Promise.all(['core-site.xml', 'hdfs-site.xml'].map((name) => readProperties(join(folder, name))))
  return new Map(files.flatMap((properties) => [...properties]))
}
