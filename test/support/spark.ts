import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describeUnless } from './peer.js'

const folder = fileURLToPath(new URL('../../.peers/spark/', import.meta.url))
const python = `${folder}venv/bin/python`
const jar = `${folder}jars/tensorflow-hadoop-1.15.0.jar`

/** Starting Spark and its first jobs take most of a minute on a loaded machine. */
export const SPARK_TIMEOUT = 300_000

const environment = (): NodeJS.ProcessEnv => {
  const { PYTHONPATH: _path, PYTHONHOME: _home, ...env } = process.env
  return { ...env, PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1', PYSPARK_PYTHON: python, PYSPARK_DRIVER_PYTHON: python, SPARK_LOCAL_IP: '127.0.0.1' }
}

const lacks = (needsJava: boolean): string | undefined => {
  if (!existsSync(python) || !existsSync(jar)) return 'no Spark in .peers/spark: npm run peers:setup'
  return needsJava && spawnSync('java', ['-version']).status !== 0 ? 'no java on the PATH' : undefined
}

/** A `describe` against Spark, see {@link describeUnless}. */
export const describeSpark = (name: string, body: () => void): void => describeUnless(lacks(true), name, body)

/** A `describe` against Python packages of Spark's environment: apache-beam, tensorflow-metadata. */
export const describeSparkPython = (name: string, body: () => void): void => describeUnless(lacks(false), name, body)

/** Runs a script in Spark's Python environment; gives its standard output. @throws with the end of standard error */
export const runSparkPython = (script: string, args: readonly string[]): string => {
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', script, ...args], { env: environment(), encoding: 'utf8', timeout: 240_000, maxBuffer: 64 << 20 })
  if (status === 0) return stdout
  throw new Error(`Python failed (${error?.message ?? `status ${status}`})\n${stderr.slice(-4000)}`)
}

const MARK = '@@millrace '
const LOOP = `
import json, sys, traceback
from pyspark.sql import SparkSession, functions as F
spark = (SparkSession.builder.master('local[1]').config('spark.ui.enabled', 'false').config('spark.jars', sys.argv[1])
  .config('spark.sql.session.timeZone', 'UTC').config('spark.sql.shuffle.partitions', '1').config('spark.driver.host', '127.0.0.1')
  .config('spark.driver.bindAddress', '127.0.0.1').config('spark.driver.memory', '1g').config('spark.sql.warehouse.dir', '/nonexistent')
  .config('spark.sql.codegen.wholeStage', 'false').config('spark.ui.showConsoleProgress', 'false').getOrCreate())
sc = spark.sparkContext
sc.setLogLevel('ERROR')
for line in sys.stdin:
    asked = json.loads(line)
    names = {'spark': spark, 'sc': sc, 'F': F, 'args': asked['args'], 'json': json, 'result': None}
    try:
        exec(asked['code'], names)
        said = {'result': names['result']}
    except Exception:
        said = {'error': traceback.format_exc()[-4000:]}
    print('${MARK}' + json.dumps(said, default=str), flush=True)
`

/** One Spark process that runs Python code on request. */
export class SparkProcess {
  private readonly child: ChildProcess
  private readonly lines: AsyncIterator<string>
  private told = ''

  constructor() {
    // A group of its own, so that the Java process dies with it.
    this.child = spawn(python, ['-c', LOOP, jar], { env: environment(), stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    this.child.stderr!.on('data', (chunk: Buffer) => (this.told = (this.told + chunk.toString()).slice(-8000)))
    this.child.stdin!.on('error', () => undefined)
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]()
  }

  /** Runs statements, in which `spark`, `sc`, `F` (functions) and `args` are known; gives what they assign to `result`, through JSON. */
  async run<A = unknown>(code: string, args: unknown = {}): Promise<A> {
    this.child.stdin!.write(`${JSON.stringify({ code, args })}\n`)
    for (;;) {
      const { done, value } = await this.lines.next()
      if (done === true) throw new Error(`Spark ended\n${this.told}`)
      if (!value.startsWith(MARK)) continue
      const { error, result } = JSON.parse(value.slice(MARK.length)) as { readonly error?: string; readonly result?: A }
      if (error !== undefined) throw new Error(error)
      return result as A
    }
  }

  stop(): void {
    try {
      process.kill(-this.child.pid!, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}
