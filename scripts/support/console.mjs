import { fileURLToPath } from 'node:url'

/** The repository's root, without a trailing separator. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')

/** Ends the script with what went wrong and what to do about it. */
export const stop = (problem, remedy) => {
  console.error(`\n${problem}\n${remedy}`)
  process.exit(1)
}
