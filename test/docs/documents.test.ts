import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { brokenLinks, documents, snippets } from '../../scripts/support/markdown.mjs'
import { describePeer } from '../support/peer.js'
import { peerLibrary } from '../support/session-servers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** In the repository, so that the snippets' imports resolve; they run in a temporary folder, where they may leave what they write. */
const programs = join(root, '.bootstrap', `snippets-${process.pid}`)
const startedIn = process.cwd()
let folder = ''

/** Files that a snippet finds where it runs: those of the quickstart. */
const data = ['flights-20k.json', 'airports.csv']

const runsAll = (programsOf: ReturnType<typeof snippets>, timeout?: number): void => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-snippets-'))
    mkdirSync(programs, { recursive: true })
    for (const name of data) copyFileSync(join(root, 'node_modules', 'vega-datasets', 'data', name), join(folder, name))
  })

  afterAll(() => {
    process.chdir(startedIn)
    rmSync(programs, { recursive: true, force: true })
    rmSync(folder, { recursive: true, force: true })
  })

  test.each(programsOf.map((snippet) => [`${snippet.document}:${snippet.line}`, snippet] as const))('%s runs', async (name, { code }) => {
    for (const left of readdirSync(folder)) if (!data.includes(left)) rmSync(join(folder, left), { recursive: true })
    const program = join(programs, `${name.replace(/[^\w-]+/g, '-')}.ts`)
    writeFileSync(program, `${code}\nexport {}\n`)
    process.chdir(folder)
    await import(/* @vite-ignore */ pathToFileURL(program).href)
  }, timeout)
}

describe('snippets', () => {
  runsAll(snippets())
})

describePeer('snippets that need a TensorFlow', 'tensorflow', () => {
  const before = process.env['LIBTENSORFLOW']
  beforeAll(() => {
    process.env['LIBTENSORFLOW'] = peerLibrary()
  })
  afterAll(() => {
    if (before === undefined) delete process.env['LIBTENSORFLOW']
    else process.env['LIBTENSORFLOW'] = before
  })
  runsAll(snippets({ tensorflow: true }), 300_000)
})

describe('links', () => {
  test.each(documents())('of %s lead somewhere', (document) => {
    expect(brokenLinks(document)).toEqual([])
  })
})

describe('design notes', () => {
  const notes = join(root, 'docs', 'design')
  const index = readFileSync(join(notes, 'README.md'), 'utf8')

  test.each(readdirSync(notes).filter((name) => /^\d{4}-.*\.md$/.test(name)))('%s has a title and a status, and the index has both', (name) => {
    const text = readFileSync(join(notes, name), 'utf8')
    const title = /^# (.+)$/m.exec(text)?.[1]
    const status = /^Status: (.+?)\.?$/m.exec(text)?.[1]
    expect(index).toContain(`| [${title}](${name}) | ${status} |`)
  })
})
