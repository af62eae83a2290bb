import { failure } from '../errors/index.js'

/** Refuses to replace a folder that holds something else: a path that is one level short would cost everything in it. */
export const requireReplaceable = (names: readonly string[], isReplaceable: (names: readonly string[]) => boolean, url: string): void => {
  if (names.length === 0 || isReplaceable(names)) return
  throw failure({
    tag: 'AlreadyExists',
    code: 'OUTPUT_IS_OTHER',
    problem: `the folder to replace holds something else than what is to be written: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`,
    remedy: 'Check the path; remove the folder yourself if it may go.',
    position: { source: url },
  })
}
