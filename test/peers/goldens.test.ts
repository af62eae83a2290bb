import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describePeer, runPython } from '../support/peer.js'

const goldens = fileURLToPath(new URL('../goldens', import.meta.url))
const topics = readdirSync(goldens, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name)

/** All files below a folder that TensorFlow may have written, by their path in it. */
const contents = (folder: string): Map<string, Buffer> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(py|ts|md)$/.test(entry.name) && !entry.parentPath.includes('__pycache__'))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [file.slice(folder.length + 1), readFileSync(file)]),
  )

/** Goldens of peers that have an environment of their own: each has a script `make_PEER.py`, which names what it writes. */
const madeElsewhere = (folder: string): string[] => {
  const names = readdirSync(folder)
  const scripts = names.filter((name) => /^make_\w+\.py$/.test(name)).map((name) => readFileSync(join(folder, name), 'utf8'))
  return names.filter((name) => scripts.some((script) => script.includes(name)))
}

test('every golden has the script that wrote it beside it', () => {
  expect(topics.length).toBeGreaterThan(0)
  expect(topics.filter((topic) => !existsSync(join(goldens, topic, 'make.py')))).toEqual([])
})

describePeer('the goldens', 'tensorflow', () => {
  test.each(topics)('of %s are what TensorFlow writes, byte for byte', async (topic) => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-goldens-'))
    try {
      cpSync(join(goldens, topic, 'make.py'), join(folder, 'make.py'))
      await runPython(join(folder, 'make.py'))
      const made = contents(folder)
      const kept = contents(join(goldens, topic))
      const elsewhere = madeElsewhere(join(goldens, topic))
      expect([...made.keys()]).toEqual([...kept.keys()].filter((name) => !elsewhere.includes(name)))
      expect([...kept].filter(([name]) => !elsewhere.includes(name)).filter(([name, bytes]) => made.get(name)?.equals(bytes) !== true).map(([name]) => name)).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
