import { failure } from '@millrace/core'

/** Predictions this near to 0 or 1 count as this near: the epsilon of Keras. */
const EPSILON = 1e-7

const check = (labels: ArrayLike<number>, scores: ArrayLike<number>, metric: string): void => {
  if (labels.length !== scores.length || labels.length === 0) {
    throw failure({ tag: 'Usage', code: 'LENGTH_MISMATCH', problem: `${metric} takes as many labels as predictions, at least one; these are ${labels.length} and ${scores.length}` })
  }
  for (let i = 0; i < labels.length; i++) {
    const problem = labels[i] !== 0 && labels[i] !== 1 ? `the label ${labels[i]} is neither 0 nor 1` : Number.isNaN(scores[i]) ? 'a prediction is NaN' : undefined
    if (problem !== undefined) throw failure({ tag: 'Usage', code: 'BAD_VALUE', problem: `${metric}: ${problem}`, position: { record: i } })
  }
}

/**
 * Area under the ROC curve: how likely a positive (label 1) scores above a negative (label 0), ties counted half. Exact, by
 * ranks, not by thresholds as `tf.keras.metrics.AUC`.
 *
 * @throws `Usage` for lengths that differ, labels other than 0 and 1, NaN, or when one of the classes is missing
 */
export const auc = (labels: ArrayLike<number>, scores: ArrayLike<number>): number => {
  check(labels, scores, 'auc')
  const order = Uint32Array.from({ length: labels.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!)
  let positives = 0
  let rankSum = 0
  for (let start = 0; start < order.length; ) {
    let end = start
    let tied = 0
    for (; end < order.length && scores[order[end]!] === scores[order[start]!]; end++) tied += labels[order[end]!]!
    // Ranks count from 1; tied scores share the mean of theirs.
    rankSum += (tied * (start + 1 + end)) / 2
    positives += tied
    start = end
  }
  const negatives = labels.length - positives
  if (positives === 0 || negatives === 0) {
    throw failure({ tag: 'Usage', code: 'ONE_CLASS', problem: `auc needs labels of both classes, and all ${labels.length} are ${positives === 0 ? 0 : 1}` })
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/**
 * Mean negative log likelihood (natural logarithm) of labels 0 and 1 under predicted probabilities of 1, which are kept
 * 1e-7 away from 0 and 1 as Keras does.
 *
 * @throws `Usage` for lengths that differ, labels other than 0 and 1, or NaN
 */
export const logLoss = (labels: ArrayLike<number>, probabilities: ArrayLike<number>): number => {
  check(labels, probabilities, 'logLoss')
  let sum = 0
  for (let i = 0; i < labels.length; i++) {
    const p = Math.min(1 - EPSILON, Math.max(EPSILON, probabilities[i]!))
    sum -= labels[i] === 1 ? Math.log(p) : Math.log(1 - p)
  }
  return sum / labels.length
}
