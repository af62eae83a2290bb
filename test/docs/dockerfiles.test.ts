import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = `${root}packages/distributed/docker/`
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')
const json = <A>(path: string): A => JSON.parse(read(path)) as A

interface Instruction {
  readonly name: string
  readonly rest: string
}

/** Instructions of a Dockerfile, lines that go on joined, without comments. */
const parse = (text: string): readonly Instruction[] =>
  text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name, rest] = /^([A-Z]+)\s+(\S.*)$/.exec(line) ?? []
      if (name === undefined || rest === undefined) throw new Error(`no instruction: ${line}`)
      return { name, rest }
    })

/** What is used here of https://docs.docker.com/reference/dockerfile/. */
const known = ['ARG', 'CMD', 'COPY', 'ENV', 'FROM', 'RUN', 'USER', 'WORKDIR']

describe.each(readdirSync(folder))('%s', (name) => {
  const text = readFileSync(`${folder}${name}`, 'utf8')
  const instructions = parse(text)
  const of = (wanted: string): readonly string[] => instructions.filter((one) => one.name === wanted).map(({ rest }) => rest)
  const args = new Map(of('ARG').map((arg) => arg.split('=') as [string, string | undefined]))

  test('is made of known instructions, begins with an image, and ends with one command, not as root', () => {
    expect(instructions.map((one) => one.name).filter((one) => !known.includes(one))).toEqual([])
    expect(instructions[0]?.name).toBe('FROM')
    expect(instructions.at(-1)?.name).toBe('CMD')
    expect(of('CMD').map((command) => (JSON.parse(command) as string[]).every((word) => typeof word === 'string'))).toEqual([true])
    expect(of('USER')).toHaveLength(1)
    const stages = of('FROM').flatMap((from) => / AS (\w+)$/.exec(from)?.slice(1) ?? [])
    expect(of('COPY').flatMap((copy) => /--from=(\w+)/.exec(copy)?.slice(1) ?? []).filter((stage) => !stages.includes(stage))).toEqual([])
  })

  test('pins images and packages, and declares each argument that it uses', () => {
    for (const from of of('FROM')) expect(from).toMatch(/^[a-z]+:\d+\.\d+\.\d+-/)
    for (const value of args.values()) expect(value).toMatch(/^\d+\.\d+\.\d+$/)
    const installed = of('RUN').flatMap((run) => [...run.matchAll(/"([^"]+)"/g)].map(([, one]) => one!))
    expect(installed.filter((one) => !/(?:@|==)(?:\d+\.\d+\.\d+|\$\{\w+\})$/.test(one))).toEqual([])
    expect(installed.length).toBeGreaterThan(0)
    expect([...of('RUN').join(' ').matchAll(/\$\{(\w+)\}/g)].map(([, one]) => one!).filter((one) => !args.has(one))).toEqual([])
  })

  test('has the versions that the tests run with, also in the command of its head', () => {
    const tensorflow = /^tensorflow-cpu==(\S+)$/m.exec(read('test/peers/requirements.txt'))![1]!
    const { version } = json<{ version: string }>('packages/distributed/package.json')
    const { packages } = json<{ packages: Record<string, { version?: string }> }>('package-lock.json')
    const current: Record<string, string> = { TENSORFLOW: tensorflow, MILLRACE: version }
    for (const [arg, value] of [...args, ...[...text.matchAll(/--build-arg (\w+)=(\S+)/g)].map(([, arg, value]) => [arg!, value!] as const)]) expect([arg, value]).toEqual([arg, current[arg]])
    for (const [, peer, wanted] of of('RUN').join(' ').matchAll(/"((?:@[\w-]+\/)?[\w-]+)@(\d[^"]*)"/g)) expect([peer, wanted]).toEqual([peer, packages[`node_modules/${peer}`]?.version])
  })
})
