import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { findLibrary } from './native/find-library.js'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-home-'))
  vi.stubEnv('LIBTENSORFLOW', '')
  vi.stubEnv('CONDA_PREFIX', '')
  vi.stubEnv('HOME', home)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(home, { recursive: true, force: true })
})

const install = (...folder: string[]): string => {
  const place = join(home, ...folder, 'tensorflow')
  mkdirSync(place, { recursive: true })
  const file = join(place, process.platform === 'darwin' ? 'libtensorflow_cc.2.dylib' : 'libtensorflow_cc.so.2')
  writeFileSync(file, '')
  return file
}

test.skipIf(process.platform === 'win32')('a TensorFlow of the active Python environment is found, before that of the user', () => {
  const user = install('.local', 'lib', 'python3.12', 'site-packages')
  expect(findLibrary()).toBe(user)
  const active = install('venv', 'lib', 'python3.11', 'site-packages')
  vi.stubEnv('VIRTUAL_ENV', join(home, 'venv'))
  expect(findLibrary()).toBe(active)
  expect(findLibrary(join(home, '.local'))).toBe(user)
})

test('a place that was named and is none is not looked for elsewhere', () => {
  vi.stubEnv('LIBTENSORFLOW', join(home, 'nowhere'))
  expect(() => findLibrary()).toThrow(/there is no libtensorflow at .*nowhere/)
})
