import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root } from './console.mjs'

const unpacked = join(root, '.peers', 'sql', 'root')

const foldersOf = (prefix) => {
  const versions = join(prefix, 'usr', 'lib', 'postgresql')
  const postgres = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)).map((version) => join(versions, version, 'bin')) : []
  return [...postgres, join(prefix, 'usr', 'sbin'), join(prefix, 'usr', 'bin')]
}

/** A folder that has all the programs, in what is installed, else in .peers/sql. */
const find = (programs) => {
  const installed = [...(process.env.PATH ?? '').split(delimiter), ...foldersOf('/')]
  for (const [folders, base] of [[installed, undefined], [foldersOf(unpacked), unpacked]]) {
    const paths = programs.map((program) => folders.map((folder) => join(folder, program)).find((path) => existsSync(path)))
    if (paths.every((path) => path !== undefined)) return { programs: paths, base }
  }
  return undefined
}

/** The servers' programs: `{ programs, base }` each, `base` being the folder that they were unpacked in; undefined where they are missing. */
export const findSqlPrograms = () => ({
  postgres: find(['initdb', 'postgres']),
  mariadb: find(['mariadb-install-db', 'mariadbd']),
})
