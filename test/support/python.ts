import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The interpreter of the peer environment: `MILLRACE_PEER_PYTHON`, else the one that `npm run peers:setup` makes. */
export const peerPython = (): string => {
  const chosen = process.env['MILLRACE_PEER_PYTHON']
  if (chosen !== undefined && chosen !== '') return chosen
  return `${root}.peers/venv/${process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python'}`
}

const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  TF_CPP_MIN_LOG_LEVEL: '3',
  TF_ENABLE_ONEDNN_OPTS: '0',
  CUDA_VISIBLE_DEVICES: '',
  PYTHONHASHSEED: '0',
  PYTHONDONTWRITEBYTECODE: '1',
  PYTHONUTF8: '1',
  KERAS_BACKEND: 'tensorflow',
})

const found = new Map<string, string | undefined>()

/** Says what the peer environment lacks for `needs`, or undefined when the module is there. Looks for the module, does not import it. */
export const peerLacks = (needs: string): string | undefined => {
  const python = peerPython()
  const key = `${python}\0${needs}`
  if (!found.has(key)) found.set(key, lookFor(python, needs))
  return found.get(key)
}

const lookFor = (python: string, needs: string): string | undefined => {
  if (!existsSync(python)) return `no peer Python at ${relative(python)}: npm run peers:setup`
  const probe = 'import importlib.util, sys; sys.exit(0 if importlib.util.find_spec(sys.argv[1]) else 3)'
  const { status, error } = spawnSync(python, ['-c', probe, needs], { env: environment(), timeout: 60_000 })
  if (status === 0) return undefined
  if (status === 3) return `the peer Python has no ${needs}: npm run peers:setup`
  return `the peer Python at ${relative(python)} does not run (${error?.message ?? `status ${status}`}): npm run peers:setup`
}

const relative = (path: string): string => (path.startsWith(root) ? path.slice(root.length) : path)

/** What a Python run may be told. */
export interface PythonOptions {
  /** `sys.argv[1:]`. */
  readonly args?: readonly string[] | undefined
  /** Text given on standard input, which is then closed; without it, standard input is empty. */
  readonly input?: string | undefined
  /** Default 120,000: importing TensorFlow alone takes 5 to 20 seconds on a loaded machine. */
  readonly timeoutMs?: number | undefined
  /** Default: the repository's root. */
  readonly cwd?: string | undefined
}

/**
 * Runs Python in the peer environment and gives its standard output.
 * `script` is source text, or the path of a file that ends in `.py`.
 * Throws with the end of standard error when it exits other than with 0, and when the time is up: then its whole process group is killed.
 */
export const runPython = (script: string, options: PythonOptions = {}): Promise<string> => {
  const isFile = script.endsWith('.py') && !script.includes('\n')
  const child = spawn(peerPython(), [...(isFile ? [script] : ['-c', script]), ...(options.args ?? [])], {
    cwd: options.cwd ?? root,
    env: environment(),
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own, so that servers that the script starts die with it.
    detached: process.platform !== 'win32',
  })
  const killTree = () => {
    try {
      if (process.platform !== 'win32' && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      else child.kill('SIGKILL')
    } catch {
      // The group is gone already.
    }
  }
  const timeoutMs = options.timeoutMs ?? 120_000
  return new Promise<string>((resolve, reject) => {
    const out: Buffer[] = []
    const err: Buffer[] = []
    let late = false
    const timer = setTimeout(() => {
      late = true
      killTree()
    }, timeoutMs)
    process.once('exit', killTree)
    const finish = () => {
      clearTimeout(timer)
      process.removeListener('exit', killTree)
    }
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A script that ends before it has read its input breaks the pipe; its exit status tells the story.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
    child.once('error', (error) => {
      finish()
      reject(error)
    })
    child.once('close', (code, signal) => {
      finish()
      const told = Buffer.concat(err).toString('utf8').slice(-8_000)
      if (late) reject(new Error(`Python did not end within ${timeoutMs} ms\n${told}`))
      else if (code !== 0) reject(new Error(`Python ended with ${signal ?? `status ${code}`}\n${told}`))
      else resolve(Buffer.concat(out).toString('utf8'))
    })
  })
}
