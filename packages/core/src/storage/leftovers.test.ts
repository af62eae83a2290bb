import { spawnSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { asideName, temporaryName } from './leftovers.js'
import { openOutputSet } from './output-set.js'
import { writeFolder } from './write-folder.js'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-leftovers-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

// Elsewhere nobody can tell whose a process number is.
describe.runIf(process.platform === 'linux')('what writers leave that were killed', () => {
  /** A name as a process that is no more would have given it. */
  const deadName = (): string => temporaryName(join(folder, 'part')).replace(`-${process.pid}-`, `-${spawnSync(process.execPath, ['-e', '0']).pid}-`)

  /** Names as a process that is no more would have given them, and those that must stay. */
  const leave = (): readonly string[] => {
    const { pid } = spawnSync(process.execPath, ['-e', '0'])
    const names = [temporaryName, asideName].map((make) => basename(make(join(folder, 'part'))))
    const dead = names.map((name) => name.replace(`-${process.pid}-`, `-${pid}-`))
    const stays = [...names, dead[1]!, dead[0]!.replace(/\.[0-9a-f]{8}-/, '.00000000-'), dead[0]!.replace(/[0-9a-f]{8}-/, ''), dead[0]!.slice(1), `${dead[0]!}x`]
    for (const name of stays) writeFileSync(join(folder, name), 'x')
    writeFileSync(join(folder, dead[0]!), 'x')
    mkdirSync(join(folder, dead[0]!.replace('part', 'model'), 'variables'), { recursive: true })
    return stays
  }

  it('is gone when the folder is written to again, and nothing else is', async () => {
    const stays = leave()
    const set = await openOutputSet([join(folder, 'part')])
    await set.commit()
    expect(readdirSync(folder).sort()).toEqual([...stays, 'part'].sort())
  })

  it('is gone where a link leads', async () => {
    mkdirSync(join(folder, 'real'))
    writeFileSync(join(folder, 'real', 'part'), 'before')
    symlinkSync(join('real', 'part'), join(folder, 'part'))
    const left = basename(deadName())
    writeFileSync(join(folder, 'real', left), 'x')
    const set = await openOutputSet([join(folder, 'part')], { ifExists: 'replace' })
    await set.commit()
    expect(readdirSync(join(folder, 'real'))).toEqual(['part'])
  })

  it('stays where it is somebody else\'s, or leads elsewhere', async () => {
    mkdirSync(join(folder, 'real'))
    const link = deadName()
    symlinkSync('real', link)
    const theirs = deadName()
    writeFileSync(theirs, 'x')
    const isRoot = process.getuid?.() === 0
    if (isRoot) chownSync(theirs, 12_345, 12_345)
    const set = await openOutputSet([join(folder, 'part')])
    await set.commit()
    expect(readdirSync(folder).sort()).toEqual(['part', 'real', basename(link), ...(isRoot ? [basename(theirs)] : [])].sort())
  })

  it('is gone when a folder is written beside it', async () => {
    const stays = leave()
    await writeFolder(join(folder, 'model'), {}, async () => undefined)
    expect(readdirSync(folder).sort()).toEqual([...stays, 'model'].sort())
  })
})
