/** Number of single-character edits between two names. */
const distance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      current[j] = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    previous = current
  }
  return previous[b.length]!
}

/** Characters of a name that has a near one: of a file that is something else a name may have megabytes. */
const LONGEST_NAME = 100

/** The name that was probably meant; `undefined` where none is near. */
export const nearestName = (names: readonly string[], name: string): string | undefined => {
  const most = Math.max(2, name.length >> 2)
  // Those of another length are not near, and edits are counted in the product of the lengths.
  const alike = name.length > LONGEST_NAME ? [] : names.filter(({ length }) => Math.abs(length - name.length) <= most)
  const near = alike.map((candidate) => ({ candidate, edits: distance(candidate, name) })).sort((a, b) => a.edits - b.edits)[0]
  return near !== undefined && near.edits <= most ? near.candidate : undefined
}
