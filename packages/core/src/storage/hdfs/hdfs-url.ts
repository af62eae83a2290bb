import { failure } from '../../errors/index.js'

/** The schemes of files in HDFS. */
export type HdfsScheme = 'hdfs' | 'webhdfs' | 'swebhdfs'

/** A file or folder in HDFS, as a URL names it. */
export interface HdfsPlace {
  readonly scheme: HdfsScheme
  /** `host:port`, the name of a name service, or nothing: the file system of `fs.defaultFS`. */
  readonly authority: string
  /** From `/`. As in Hadoop, nothing in it is escaped: `%20` is three characters, and `?` and `#` are of the name. */
  readonly path: string
}

/** The parts of a URL. @throws `Usage` HDFS_BAD_URL */
export const parseHdfsUrl = (url: string): HdfsPlace => {
  const match = /^(hdfs|webhdfs|swebhdfs):\/\/([^/]*)(\/.*)?$/is.exec(url)
  // What stands before an @ may be a password, and is not shown.
  const bad = (problem: string): Error =>
    failure({ tag: 'Usage', code: 'HDFS_BAD_URL', problem, remedy: 'Write hdfs://nameservice/path, hdfs:///path or webhdfs://host:9870/path.', position: { source: url.replace(/\/\/[^/]*@/, '//') } })
  if (match === null) throw bad('this is no URL of a file in HDFS')
  const authority = match[2]!.toLowerCase()
  if (authority.includes('@')) throw bad('a URL of HDFS names no user: that is for HADOOP_USER_NAME, or the option user of hdfsStorage')
  if (!/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])?(?::\d{1,5})?$/.test(authority)) throw bad('the host or name service is none')
  const path = (match[3] ?? '/').replace(/\/{2,}/g, '/')
  // HDFS itself allows neither; a dot segment would be resolved in the request's URL, and reach another file.
  if (path.split('/').some((part) => part === '.' || part === '..')) throw bad('the path has a segment . or ..')
  if (/\p{Surrogate}/u.test(path)) throw bad('the path is no whole Unicode text')
  return { scheme: match[1]!.toLowerCase() as HdfsScheme, authority, path }
}

/** The URL of another path in the same file system. */
export const urlAt = ({ scheme, authority }: HdfsPlace, path: string): string => `${scheme}://${authority}${path}`

/** A path as it stands in the URL of a request: every name escaped. */
export const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/')

/** The folder of a path, and the name in it. */
export const splitPath = (path: string): { readonly folder: string; readonly name: string } => {
  const cut = path.lastIndexOf('/')
  return { folder: path.slice(0, cut), name: path.slice(cut + 1) }
}
