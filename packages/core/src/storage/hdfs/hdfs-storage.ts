import { describeValue, failure, requireOneOf, requireOptions, type OptionRules } from '../../errors/index.js'
import type { Storage } from '../storage.js'
import type { HdfsIdentity } from './credentials.js'
import { statusOf } from './file-status.js'
import { hadoopConfigFolder, readHadoopConfig } from './hadoop-config.js'
import { parseHdfsUrl, urlAt, type HdfsPlace, type HdfsScheme } from './hdfs-url.js'
import { browseHdfs, listHdfs } from './list-hdfs.js'
import { nameNodeAddresses } from './name-node-addresses.js'
import { NameNodes } from './name-nodes.js'
import { isFolder, readHdfs } from './read-hdfs.js'
import { createHdfs, remove } from './write-hdfs.js'

const DEFAULT_PART_BYTES = 16 * 1024 * 1024

/** Options of {@link hdfsStorage}. */
export interface HdfsStorageOptions extends HdfsIdentity {
  /** The scheme it is for. Default `hdfs`. */
  readonly scheme?: HdfsScheme | undefined
  /** Folder of `core-site.xml` and `hdfs-site.xml`. Default: `HADOOP_CONF_DIR`, else `HADOOP_HOME/etc/hadoop`. */
  readonly configFolder?: string | undefined
  /**
   * Bytes of an output that are sent at once, and kept in memory until HDFS has them. Default 16 MiB; larger ones cost memory, and
   * spare the name node some work.
   */
  readonly partBytes?: number | undefined
}

const rules: OptionRules<HdfsStorageOptions> = { scheme: 'any', configFolder: 'text', partBytes: 'any', user: 'text', delegationToken: 'text' }

/** The name nodes of every authority that was asked for, so that which one is active is found out once. */
class FileSystems {
  private readonly known = new Map<string, Promise<NameNodes>>()

  constructor(private readonly options: HdfsStorageOptions) {}

  of(place: HdfsPlace): Promise<NameNodes> {
    const folder = this.options.configFolder ?? hadoopConfigFolder()
    // Whatever the environment says by now, as with local files and their current folder.
    const { HADOOP_USER_NAME: user, HADOOP_TOKEN_FILE_LOCATION: tokens } = process.env
    const key = JSON.stringify([place.scheme, place.authority, folder, user, tokens])
    const before = this.known.get(key)
    if (before !== undefined) return before
    const opened = this.open(place, folder)
    this.known.set(key, opened)
    // What is mended meanwhile counts at the next try.
    opened.catch(() => this.known.delete(key))
    return opened
  }

  private async open(place: HdfsPlace, folder: string | undefined): Promise<NameNodes> {
    return new NameNodes(nameNodeAddresses(place, await readHadoopConfig(folder)), this.options, process.env)
  }
}

/**
 * HDFS, over its web interface. `hdfs:`, `webhdfs:` and `swebhdfs:` are known without further ado, with what the environment says;
 * `registerStorage(hdfsStorage({ user: 'etl' }))` puts another one in the place of one of them.
 *
 * Reading goes on where a data node or name node fails, as long as the file is the same. Outputs lie under a hidden name beside
 * their own until they are whole.
 *
 * @throws `Usage` for a `partBytes` that is no number of bytes
 */
export const hdfsStorage = (options: HdfsStorageOptions = {}): Storage => {
  requireOptions('hdfsStorage', options, rules)
  const { scheme = 'hdfs', partBytes = DEFAULT_PART_BYTES } = options
  requireOneOf('scheme', scheme, ['hdfs', 'webhdfs', 'swebhdfs'])
  if (!(Number.isSafeInteger(partBytes) && partBytes > 0)) {
    throw failure({ tag: 'Usage', code: 'BAD_OPTION', problem: `partBytes is ${describeValue(partBytes)}`, remedy: 'Give a number of bytes, such as 16 * 1024 * 1024.' })
  }
  const systems = new FileSystems(options)
  return {
    scheme,
    stat: async (url, signal) => {
      const place = parseHdfsUrl(url)
      const status = await statusOf(await systems.of(place), place, signal)
      if (status.isFolder) throw isFolder(urlAt(place, place.path))
      return { url, size: status.length, version: String(status.modified) }
    },
    read: async function* (url, options) {
      const place = parseHdfsUrl(url)
      yield* readHdfs(await systems.of(place), place, options)
    },
    list: async (glob, signal) => listHdfs(await systems.of(parseHdfsUrl(glob.replace(/\\(.)/g, '$1'))), glob, signal),
    browse: async (folder, signal) => {
      const place = parseHdfsUrl(folder)
      return browseHdfs(await systems.of(place), place, signal)
    },
    create: async (url, options) => {
      const place = parseHdfsUrl(url)
      return createHdfs(await systems.of(place), place, { ...options, partBytes })
    },
    remove: async (url) => {
      const place = parseHdfsUrl(url)
      await remove(await systems.of(place), place)
    },
    // Without recursion HDFS itself refuses to remove what has something in it.
    removeEmptyFolder: async (folder) => {
      const place = parseHdfsUrl(folder)
      await remove(await systems.of(place), place).catch(() => undefined)
    },
  }
}
