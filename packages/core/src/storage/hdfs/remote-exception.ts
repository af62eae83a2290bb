import { failure, type ErrorDetails, type MillraceError } from '../../errors/index.js'

/** What WebHDFS says of a failure, as JSON with status 400 and above. */
export interface RemoteException {
  /** Name of the Java class without its package: `FileNotFoundException`. */
  readonly exception: string
  readonly javaClassName: string
  readonly message: string
}

/** Java's messages may carry whole stack traces. */
const MAX_MESSAGE_CHARS = 300

const isText = (value: unknown): value is string => typeof value === 'string'

/** The exception in the body of an answer; `undefined` where it has none. */
export const parseRemoteException = (body: string): RemoteException | undefined => {
  let found: unknown
  try {
    found = (JSON.parse(body) as { readonly RemoteException?: unknown } | null)?.RemoteException
  } catch {
    return undefined
  }
  if (typeof found !== 'object' || found === null) return undefined
  const { exception, javaClassName, message } = found as Record<string, unknown>
  if (!isText(exception) && !isText(javaClassName)) return undefined
  // What is no name of a class is no part of one: it would be shown as it is.
  const [, name] = /^(?:\w+[.$])*(\w*)/.exec(isText(exception) ? exception : (javaClassName as string))!
  return { exception: name!.slice(0, 100), javaClassName: isText(javaClassName) ? javaClassName : '', message: isText(message) ? message : '' }
}

/** Tokens and signatures may stand in what a server says. */
const withoutSecrets = (text: string): string =>
  text.replace(/\b(delegation|token|signature|password)=[^&\s,)]+/gi, '$1=…').replace(/[\w+/=-]{80,}/g, '…')

/** The first line of a message, short and without secrets. */
export const shownMessage = ({ message }: RemoteException): string => {
  const line = withoutSecrets(message.split('\n')[0]!.trim()).replace(/\.$/, '')
  return line.length > MAX_MESSAGE_CHARS ? `${line.slice(0, MAX_MESSAGE_CHARS)}…` : line
}

/** Another name node is the active one. */
export const isStandby = ({ exception }: RemoteException): boolean => exception === 'StandbyException' || exception === 'ObserverRetryOnActiveException'

/**
 * What passes by itself: a name node that starts or is in safe mode, a block whose copies are not told yet, a file whose last writer,
 * one of ours that was cut off, is not known for gone yet.
 */
const passing = [
  'RetriableException', 'SafeModeException', 'ServerTooBusyException', 'NotReplicatedYetException', 'BlockMissingException',
  'RecoveryInProgressException', 'AlreadyBeingCreatedException', 'ConnectException', 'NoRouteToHostException', 'SocketTimeoutException',
  // Said where no data node can take a block, or none is known yet.
  'NoDatanodeException',
]

/** Whether the same request may succeed in a while. */
export const isPassing = ({ exception, message }: RemoteException): boolean =>
  passing.includes(exception) || (exception === 'IOException' && /Failed to find datanode|could only be (?:written|replicated) to|Blocklist for .* has changed/.test(message))

interface Known {
  readonly tag: ErrorDetails['tag']
  readonly remedy: string
  /** In place of what the server says. */
  readonly problem?: string
}

const quota: Known = { tag: 'Storage', remedy: 'Free some space below that folder, or have its quota raised (hdfs dfsadmin -setSpaceQuota): nothing half-written was left.' }
const denied: Known = { tag: 'Storage', remedy: 'Check the permissions of the path, and whose name the requests bear (HADOOP_USER_NAME, or the token\'s owner).' }
const expired: Known = { tag: 'Storage', problem: 'HDFS refuses the delegation token', remedy: 'Fetch another one: it has expired, was cancelled, or is of another cluster.' }

const known: Record<string, Known> = {
  FileNotFoundException: { tag: 'NotFound', problem: 'the file does not exist', remedy: 'Check the path.' },
  AccessControlException: denied,
  AuthorizationException: denied,
  SecurityException: { ...denied, remedy: 'Check who the requests come from: a Kerberos ticket (kinit), a delegation token (HADOOP_TOKEN_FILE_LOCATION) or HADOOP_USER_NAME.' },
  InvalidToken: expired,
  NSQuotaExceededException: { ...quota, remedy: 'Remove files below that folder, or have its quota raised (hdfs dfsadmin -setQuota): nothing half-written was left.' },
  DSQuotaExceededException: quota,
  QuotaByStorageTypeExceededException: quota,
  FileAlreadyExistsException: { tag: 'AlreadyExists', remedy: "Pass ifExists: 'replace' to replace it, or write under another name." },
  ParentNotDirectoryException: { tag: 'Storage', problem: 'a part of the path is a file, not a folder', remedy: 'Write under another path, or move that file away.' },
  InvalidPathException: { tag: 'Usage', remedy: 'HDFS allows no colon in a name, and no segments . and .. in a path.' },
  StandbyException: { tag: 'Storage', problem: 'no name node is active', remedy: 'Name all of them (HADOOP_CONF_DIR), or wait until one is: hdfs haadmin -getAllServiceState.' },
  SafeModeException: { tag: 'Storage', problem: 'the name node is in safe mode', remedy: 'Wait until it has left it: hdfs dfsadmin -safemode get.' },
  RetriableException: { tag: 'Storage', remedy: 'The name node is not ready: try again later.' },
  MaxDirectoryItemsExceededException: { tag: 'Storage', remedy: 'The folder is full: write to another one.' },
  PathComponentTooLongException: { tag: 'Usage', remedy: 'Use a shorter name.' },
}

/** The name of what is meant: some failures come as exceptions of other names. */
const nameOf = (found: RemoteException): string => {
  // In clusters with several name nodes.
  if (/safe mode/i.test(found.message) && isPassing(found)) return 'SafeModeException'
  if (found.exception === 'AccessControlException' && /is not a directory/.test(found.message)) return 'ParentNotDirectoryException'
  // Of the filter before the name node, which knows no more of it.
  if (found.exception === 'SecurityException' && found.message.includes('InvalidToken')) return 'InvalidToken'
  return found.exception
}

/** The error for an exception of HDFS: `HDFS_` and its name. */
export const remoteError = (found: RemoteException, url: string, byte?: number): MillraceError => {
  const name = nameOf(found)
  // A server may call its exception `constructor`.
  const { tag, problem, remedy } = (Object.hasOwn(known, name) ? known[name] : undefined) ?? { tag: 'Storage' as const, remedy: 'Ask the log of the name node or data node why.', problem: undefined }
  const said = shownMessage(found)
  return failure({
    tag,
    code: `HDFS_${name.replace(/(?:Exception)?$/, '').replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase().replace(/[^A-Z0-9_]/g, '_')}`,
    problem: problem === undefined ? `HDFS says ${found.exception}${said === '' ? '' : `: ${said}`}` : problem,
    remedy,
    position: { source: url, byte },
  })
}
