/**
 * Real mails, spam or not, by the words that they hold:
 *
 *     npm run example:spam
 */
import { field, pipe, run, terminalProgress } from '@millrace/core'
import { predictions, score, train } from '@millrace/distributed'
import { exportSavedModel, loadSavedModel } from '@millrace/export'
import { parts, spec } from './mails.js'
import { spamModel } from './model.js'

const context = { progress: terminalProgress() }
const inputs = await run(spec.fit(parts.train), context)
const model = spamModel(inputs)
const report = await run(train(model, {
  data: pipe(parts.train, inputs.apply), validation: pipe(parts.validation, inputs.apply), label: 'spam', batchSize: 64, epochs: 8,
  shuffle: { seed: 1 }, earlyStopping: { patience: 2 },
}), context)
const columns = { label: 'spam', probability: 'probability' } as const
const tested = await run(pipe(parts.test, inputs.apply, predictions(model, ['probability']), score(columns)), context)
console.log(`${tested.rows} test mails: AUC ${tested.auc.toFixed(4)}, log loss ${tested.logLoss.toFixed(4)}, after ${report.steps} steps`)

const { url } = await run(exportSavedModel(model, 'out/spam/saved-model/1', { inputs, ifExists: 'replace' }), context)
const predictor = await run(loadSavedModel(url))
const served = await run(pipe(parts.test, predictor.apply({ outputs: { probability: field.float32() } }), score(columns)), context)
console.log(`The exported model, from the mails themselves: AUC ${served.auc.toFixed(4)}, log loss ${served.logLoss.toFixed(4)}`)
