/** Requests that are made at one time. */
const AT_ONCE = 16

/** What a request for each gives, in order; some are made at one time. */
export const inTurn = async <A, B>(all: readonly A[], work: (one: A) => Promise<B>): Promise<readonly B[]> => {
  const results: B[] = []
  for (let at = 0; at < all.length; at += AT_ONCE) results.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(work))))
  return results
}
