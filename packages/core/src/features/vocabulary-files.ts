import { failure } from '../errors/index.js'
import { job, type Job } from '../job/index.js'
import { withOutputSet, type IfExists } from '../storage/index.js'
import type { FittedFeature } from './feature.js'
import { vocabularyOf } from './vocabulary-of.js'

/** Options of `writeVocabularies`. */
export interface VocabularyFilesOptions {
  /** What to do when one of the files exists. Default `fail`. */
  readonly ifExists?: IfExists | undefined
}

/** The files that `writeVocabularies` wrote. */
export interface VocabularyFilesReport {
  readonly files: readonly {
    readonly feature: string
    readonly url: string
    /** Lines of the file. */
    readonly tokens: number
  }[]
}

/** Tokens encoded at once. */
const CHUNK = 65_536

/** Writes the vocabularies of features into a folder, all of them or none. */
export const writeVocabularyFiles = (features: readonly FittedFeature[], folder: string, options: VocabularyFilesOptions = {}): Job<VocabularyFilesReport> =>
  job(async ({ signal }) => {
    const vocabularies = features.flatMap((fitted) => {
      const tokens = vocabularyOf(fitted)
      return tokens === undefined ? [] : [{ feature: fitted.name, tokens }]
    })
    if (vocabularies.length === 0) throw failure({ tag: 'Usage', code: 'NO_VOCABULARY', problem: 'none of the features has a vocabulary to write' })
    // A feature's name may hold what a file's may not.
    const urls = vocabularies.map(({ feature }) => `${folder.replace(/\/+$/, '')}/${encodeURIComponent(feature)}.txt`)
    const encoder = new TextEncoder()
    await withOutputSet(urls, { ifExists: options.ifExists ?? 'fail', signal }, async (outputs) => {
      for (const [i, { tokens }] of vocabularies.entries()) {
        for (let start = 0; start < tokens.length; start += CHUNK) {
          await outputs[i]!.write(encoder.encode(tokens.slice(start, start + CHUNK).map((token) => `${token}\n`).join('')))
        }
      }
    })
    return { files: vocabularies.map(({ feature, tokens }, i) => ({ feature, url: urls[i]!, tokens: tokens.length })) }
  })
