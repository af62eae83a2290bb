/**
 * npm run fuzz -- [--inputs N] [--seed N] [--decoder NAME]… [--only INDEX] [--hang SECONDS]: gives every decoder changed inputs, N in all (default 1,000,000,
 * divided among the decoders), each decoder in a process of its own with a limit of memory and a watch for hangs. An input depends on
 * the seed and its index only: a finding is replayed by the command that is printed with it, and its bytes lie in out/fuzz. Ends with one line that
 * sums, and with status 1 where something was found.
 */
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fromRoot, root } from './support/console.mjs'
import { bundlePrograms } from './support/bundle.mjs'

/** Longest that one input may take: they are small, and decode in milliseconds on a machine that does nothing else. */
const HANG_SECONDS = 20
/** Longest until the first input: loading everything, on a machine that does much else. */
const START_SECONDS = 120
/** Heap of JavaScript, and all memory, of a process with all decoders loaded and an input of kilobytes. */
const HEAP_MIB = 512
const MEMORY_BYTES = 1024 * 2 ** 20
/** A decoder that dies at every other input needs no longer campaign. */
const MAX_FINDINGS = 20

const { values } = parseArgs({ options: { inputs: { type: 'string' }, seed: { type: 'string' }, decoder: { type: 'string', multiple: true }, only: { type: 'string' }, hang: { type: 'string' } } })
const numberOf = (name, value, least) => {
  const number = Number(value)
  if (!Number.isSafeInteger(number) || number < least) throw new Error(`--${name} takes a whole number from ${least} on`)
  return number
}
const inputs = numberOf('inputs', values.inputs ?? '1000000', 1)
const seed = numberOf('seed', values.seed ?? String(Date.now() % 1_000_000), 0)

const hangSeconds = numberOf('hang', values.hang ?? String(HANG_SECONDS), 1)

const folder = join(root, 'out', 'fuzz')
// Its own, since two campaigns may run at once.
const programs = join(folder, `program-${process.pid}`)
process.once('exit', () => rmSync(programs, { recursive: true, force: true }))
const child = join(programs, 'child.mjs')
await bundlePrograms([join(root, 'test', 'fuzz', 'child.ts')], programs, { findsFiles: /[\\/]test[\\/](conformance|fuzz)[\\/][^\\/]+\.ts$/ })

/** Runs one process; gives the last index it began, what it found, and how it ended. */
const runChild = (args) =>
  new Promise((resolve) => {
    const started = spawn(process.execPath, [`--max-old-space-size=${HEAP_MIB}`, '--enable-source-maps', child, ...args.map(String)], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    })
    const seen = { last: undefined, findings: [], lines: [], done: false, hung: false, words: '' }
    let watch
    const wait = (seconds) => {
      clearTimeout(watch)
      watch = setTimeout(() => {
        seen.hung = true
        started.kill('SIGKILL')
      }, seconds * 1000)
    }
    wait(START_SECONDS)
    started.stderr.on('data', (chunk) => (seen.words = (seen.words + chunk).slice(-2000)))
    createInterface({ input: started.stdio[3] }).on('line', (line) => {
      wait(hangSeconds)
      if (line === 'done') seen.done = true
      else if (line.startsWith('{')) {
        if (seen.findings.push(JSON.parse(line)) >= MAX_FINDINGS) started.kill('SIGKILL')
      }
      else if (line.startsWith('[')) seen.lines = JSON.parse(line)
      else seen.last = Number(line)
    })
    started.once('close', (status, signal) => {
      clearTimeout(watch)
      resolve({ ...seen, ended: signal ?? `status ${status}` })
    })
  })

const report = (name, index, problem) => {
  console.log(`${name}: input ${index} of seed ${seed}: ${problem}`)
  console.log(`  replay: npm run fuzz -- --decoder ${name} --seed ${seed} --only ${index}`)
}

/** A decoder's campaign, through as many processes as it takes; gives the number of inputs and of findings. */
const campaign = async (name, first, count) => {
  let next = first
  let found = 0
  while (next < first + count && found < MAX_FINDINGS) {
    const { last, findings, done, hung, ended, words } = await runChild([name, seed, next, first + count - next, MEMORY_BYTES, folder])
    for (const { index, problem, path } of findings) report(name, index, `${problem}\n  input: ${fromRoot(path)}`)
    found += findings.length
    if (done) return { inputs: count, found }
    if (last === undefined) throw new Error(`${name} did not begin (${ended}): ${words}`)
    if (found >= MAX_FINDINGS) break
    if (findings.at(-1)?.index !== last) {
      report(name, last, hung ? `nothing for ${hangSeconds} s` : `the process ended with ${ended}\n  ${words.trim().split('\n').slice(0, 8).join('\n  ')}`)
      found++
    }
    next = last + 1
  }
  if (found >= MAX_FINDINGS) console.log(`${name}: left after ${found} findings`)
  return { inputs: next - first, found }
}

const names = values.decoder ?? (await runChild(['--list'])).lines
if (names.length === 0) throw new Error('the list of decoders did not come')
const each = Math.ceil(inputs / names.length)
const total = { inputs: 0, found: 0 }
for (const name of names) {
  const start = performance.now()
  const { inputs: done, found } = values.only === undefined ? await campaign(name, 0, each) : await campaign(name, numberOf('only', values.only, 0), 1)
  console.log(`${name.padEnd(18)} ${String(done).padStart(9)} inputs, ${found} findings, ${((performance.now() - start) / 1000).toFixed(1)} s`)
  total.inputs += done
  total.found += found
}
console.log(`${total.inputs} inputs of seed ${seed}, ${total.found} findings`)
process.exitCode = total.found === 0 ? 0 : 1
