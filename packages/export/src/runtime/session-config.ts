import { failure } from '@millrace/core'
import { tensorflow, toInt64 } from '../proto/index.js'

/** How TensorFlow runs a session. Everything has TensorFlow's default, except that ops without a kernel on their device run elsewhere. */
export interface SessionConfig {
  /**
   * Devices that the session sees, such as `['/job:ps', '/job:worker/task:0']`. Filtered so, a worker goes on when another one dies;
   * unfiltered, a session with any process of the cluster missing hangs when it is made.
   */
  readonly deviceFilters?: readonly string[] | undefined
  /** Run an op on another device where its own lacks a kernel. Default true. */
  readonly softPlacement?: boolean | undefined
  readonly logPlacement?: boolean | undefined
  /** Variables that no other session of the server sees. Default false: they are shared by name. */
  readonly isolateState?: boolean | undefined
  /** Threads within one op. Default: all cores. */
  readonly intraOpThreads?: number | undefined
  /** Ops at a time. Default: all cores. */
  readonly interOpThreads?: number | undefined
  /** Most devices of each type, for instance `{ GPU: 0 }` to leave the GPUs alone. */
  readonly deviceCount?: { readonly [type: string]: number } | undefined
  readonly gpu?: {
    /** Take GPU memory as it is needed, not all at once. */
    readonly allowGrowth?: boolean | undefined
    /** Share of each GPU's memory to take, 0 to 1. */
    readonly memoryFraction?: number | undefined
    /** Which GPUs, by index: `'0,2'`. */
    readonly visibleDevices?: string | undefined
  } | undefined
}

const count = (value: number | undefined, name: string): number => {
  if (value === undefined) return 0
  if (Number.isInteger(value) && value >= 0 && value <= 65_536) return value
  throw failure({ tag: 'Usage', code: 'SESSION_CONFIG', problem: `${name} is ${value}`, remedy: 'Give a whole number from 0 to 65536.' })
}

/** The configuration as TensorFlow's message. */
export const configProto = (config: SessionConfig = {}): tensorflow.ConfigProto.$Properties => {
  const fraction = config.gpu?.memoryFraction ?? 0
  if (!(fraction >= 0 && fraction <= 1)) throw failure({ tag: 'Usage', code: 'SESSION_CONFIG', problem: `gpu.memoryFraction is ${fraction}`, remedy: 'Give a number from 0 to 1.' })
  return {
    deviceFilters: [...(config.deviceFilters ?? [])],
    allowSoftPlacement: config.softPlacement ?? true,
    logDevicePlacement: config.logPlacement ?? false,
    isolateSessionState: config.isolateState ?? false,
    intraOpParallelismThreads: count(config.intraOpThreads, 'intraOpThreads'),
    interOpParallelismThreads: count(config.interOpThreads, 'interOpThreads'),
    deviceCount: Object.fromEntries(Object.entries(config.deviceCount ?? {}).map(([type, value]) => [type, count(value, `deviceCount.${type}`)])),
    ...(config.gpu === undefined ? {} : {
      gpuOptions: { allowGrowth: config.gpu.allowGrowth ?? false, perProcessGpuMemoryFraction: fraction, visibleDeviceList: config.gpu.visibleDevices ?? '' },
    }),
  }
}

/** Options of one step, encoded. */
export const encodeRunOptions = (timeoutMs: number): Uint8Array => tensorflow.RunOptions.encode({ timeoutInMs: toInt64(timeoutMs) }).finish()
