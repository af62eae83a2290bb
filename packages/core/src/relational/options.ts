import type { OptionRules } from '../errors/index.js'

/** How the embedded engine (DuckDB, in this process) may use the machine. */
export interface EngineOptions {
  /** Memory that the engine's tables may take before they spill to disk, as DuckDB writes it: `512MB`, `2GB`. Default: 80 % of the machine's. */
  readonly memoryLimit?: string | undefined
  /**
   * Local folder to spill into; a folder of its own is made in it at the first spill, and removed afterwards. Default: the
   * system's temporary folder.
   */
  readonly temporaryFolder?: string | undefined
  /** Threads of the engine. Default: see the operator. */
  readonly threads?: number | undefined
}

export const engineRules: OptionRules<EngineOptions> = { memoryLimit: 'text', temporaryFolder: 'text', threads: 'any' }

/**
 * `preserve`: rows come in an order that the inputs' order decides, the same each time. `any`: as the engine happens to give
 * them, which spares a sort; the stream then says that its order is not stable.
 */
export type ResultOrder = 'preserve' | 'any'
