import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packages } from '../support/packages.mjs'
import { capture } from './capture.mjs'

/** Packs the built packages as npm would publish them, and gives the tarball of each. */
export const packAll = async (folder) => {
  mkdirSync(folder, { recursive: true })
  const npm = process.env.npm_execpath
  const [command, ...args] = npm === undefined ? ['npm'] : [process.execPath, npm]
  const found = await capture(command, [...args, 'pack', '--workspaces', '--ignore-scripts', '--silent', '--pack-destination', folder])
  if (found !== undefined) throw new Error(`npm pack failed\n${found}`)
  const tarballs = readdirSync(folder)
  return Object.fromEntries(
    packages.map((name) => {
      const tarball = tarballs.find((file) => file.startsWith(`millrace-${name}-`))
      if (tarball === undefined) throw new Error(`npm pack made no tarball of ${name}`)
      return [name, join(folder, tarball)]
    }),
  )
}
