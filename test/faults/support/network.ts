import { spawnSync } from 'node:child_process'

/** A machine of its own, as far as the network knows: a network namespace, with one cable to this one. */
export interface OtherMachine {
  /** Addresses of this machine and of the other one, as both see them. */
  readonly here: string
  readonly there: string
  /** What runs a command there. */
  readonly prefix: readonly string[]
  /** From here on nothing arrives in either direction, and nobody is told: packets go to no machine's address. */
  cut(): void
  heal(): void
  remove(): void
}

const ip = (...args: readonly string[]): void => {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/** `undefined` where namespaces cannot be made: without privileges, or without `ip`. */
export const otherMachine = (): OtherMachine | undefined => {
  const id = process.pid % 10_000
  const [name, cable, end] = [`millrace-${id}`, `mra${id}`, `mrb${id}`]
  const net = `10.213.${id % 250}`
  const [here, there] = [`${net}.1`, `${net}.2`]
  const inside = (...args: readonly string[]): void => ip('-n', name, ...args)
  const remove = (): void => {
    for (const args of [['link', 'del', cable], ['netns', 'del', name]]) spawnSync('ip', args)
  }
  try {
    ip('netns', 'add', name)
    ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', end)
    ip('link', 'set', end, 'netns', name)
    ip('addr', 'add', `${here}/24`, 'dev', cable)
    inside('addr', 'add', `${there}/24`, 'dev', end)
    ip('link', 'set', cable, 'up')
    for (const device of ['lo', end]) inside('link', 'set', device, 'up')
  } catch {
    remove()
    return undefined
  }
  const nobody = ['lladdr', '02:00:00:00:00:99', 'nud', 'permanent']
  return {
    here,
    there,
    prefix: ['ip', 'netns', 'exec', name],
    cut: () => {
      ip('neigh', 'replace', there, ...nobody, 'dev', cable)
      inside('neigh', 'replace', here, ...nobody, 'dev', end)
    },
    heal: () => {
      ip('neigh', 'del', there, 'dev', cable)
      inside('neigh', 'del', here, 'dev', end)
    },
    remove,
  }
}
