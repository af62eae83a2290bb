/**
 * The process in which a decoder meets its inputs: DECODER SEED FROM COUNT MAX_BYTES. Before each input it writes the input's index to its
 * fourth file descriptor, so that whoever started it knows which one it died or hangs at; findings follow on the same line.
 */
import { mkdirSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { randomFrom } from '@millrace/core'
import { decoders, planted } from './decoders.js'
import { mutated } from './mutate.js'

const REPORT = 3

const [name, seedText, fromText, countText, limitText, folder] = process.argv.slice(2)
const [seed, from, count, limit] = [seedText, fromText, countText, limitText].map(Number) as [number, number, number, number]

const tell = (line: string): void => void writeSync(REPORT, `${line}\n`)

if (name === '--list') tell(JSON.stringify(decoders.map((decoder) => decoder.name)))
else {
  const decoder = [...decoders, ...planted].find((found) => found.name === name)
  if (decoder === undefined) throw new Error(`no decoder is named ${name}`)
  const sound = decoder.sound()
  // A sound input that is refused would make a campaign of refusals.
  for (const input of sound) await decoder.decode(input)
  const before = process.resourceUsage().maxRSS
  for (let index = from; index < from + count; index++) {
    const input = mutated(sound, randomFrom(seed, index))
    tell(String(index))
    let problem: string | undefined
    try {
      await decoder.decode(input)
    } catch (error) {
      problem = error instanceof Error ? (error.stack ?? error.message) : String(error)
    }
    // The most that the process ever held, in KiB: an input that took more is told once, since the mark stays.
    const held = process.resourceUsage().maxRSS * 1024
    if (held > limit) problem ??= `it took ${Math.round(held / 2 ** 20)} MiB of memory, ${Math.round(before / 1024)} MiB when it began`
    if (problem === undefined) continue
    const path = join(folder!, `${name}-${seed}-${index}.bin`)
    mkdirSync(folder!, { recursive: true })
    writeFileSync(path, input)
    tell(JSON.stringify({ index, problem, path, bytes: input.length }))
    if (held > limit) process.exit(1)
  }
  tell('done')
}
