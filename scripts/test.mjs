/**
 * npm test [-- VITEST ARGUMENT…]: runs every test, or those that vitest's arguments name, and ends with one line that sums them.
 * The quickstart runs after all else, alone, since it takes both cores and its time is part of what is tested. With
 * MILLRACE_REQUIRE_PEERS=1, and in continuous integration (CI=true), a missing peer is a failure instead of a skipped test.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'
import { summary } from './support/summary.mjs'

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const results = join(root, '.bootstrap', `test-results-${process.pid}.json`)
const peersRequired = process.env.CI === 'true' || process.env.MILLRACE_REQUIRE_PEERS === '1'

const none = () => ({ passed: 0, failed: 0, skipped: 0 })
const suites = new Map()

const count = (suite, outcome, by = 1) => {
  if (!suites.has(suite)) suites.set(suite, none())
  suites.get(suite)[outcome] += by
}

/** `packages/core/src/x.test.ts` belongs to the suite `core`, `test/peers/x.test.ts` to `peers`. */
const suiteOf = (file) => fromRoot(file).split('/')[1] ?? fromRoot(file)

const runVitest = (args) => {
  mkdirSync(join(root, '.bootstrap'), { recursive: true })
  rmSync(results, { force: true })
  const { status, error } = spawnSync(
    process.execPath,
    [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${results}`, ...args],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...(peersRequired ? { MILLRACE_REQUIRE_PEERS: '1' } : {}) } },
  )
  if (error) console.error(error.message)
  let failed = 0
  if (existsSync(results)) {
    for (const file of JSON.parse(readFileSync(results, 'utf8')).testResults) {
      const suite = suiteOf(file.name)
      for (const { status } of file.assertionResults) count(suite, status === 'passed' || status === 'failed' ? status : 'skipped')
      // A file that does not load has no tests to count.
      if (file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed')) count(suite, 'failed')
    }
    failed = [...suites.values()].reduce((sum, suite) => sum + suite.failed, 0)
    rmSync(results)
  }
  // An error outside of any test, or vitest itself.
  if (status !== 0 && failed === 0) count('vitest', 'failed')
}

const args = process.argv.slice(2)
if (args.length > 0) {
  runVitest(args)
} else {
  runVitest(['--exclude=test/quickstart/**'])
  if (existsSync(join(root, 'test', 'quickstart'))) runVitest(['test/quickstart'])
}

const total = none()
for (const [suite, counts] of [...suites].sort(([left], [right]) => (left < right ? -1 : 1))) {
  console.log(`${suite.padEnd(14)} ${summary(counts)}`)
  for (const outcome of Object.keys(total)) total[outcome] += counts[outcome]
}
console.log(summary(total))
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1
