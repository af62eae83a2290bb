import type { RunContext } from '../job/index.js'
import type { Schema } from '../schema/index.js'
import type { Stream } from './stream.js'

/** A schema that is not known yet: the source tells it when it is looked at. */
export class LaterSchema<S extends Schema> {
  /**
   * @param find - looks it up
   * @param isNeeded - whether the stream can be read only once it is known, as by operators that work with columns
   */
  constructor(
    readonly find: (context: RunContext) => Promise<S>,
    readonly isNeeded = false,
  ) {}
}

/**
 * The schema that an operator's stream has by those of its inputs: at once where they are known, else when the stream is
 * read. `derive` may look at their `schema`, and throws for columns that do not do.
 */
export const derivedSchema = <S extends Schema>(inputs: readonly Stream[], derive: () => S): S | LaterSchema<S> => {
  if (inputs.every(({ knownSchema }) => knownSchema !== undefined)) return derive()
  return new LaterSchema(async (context) => {
    for (const input of inputs) await input.findSchema(context)
    return derive()
  }, true)
}

/** The schema of an operator that keeps its input's columns. */
export const sameSchema = <S extends Schema>(stream: Stream<S>): S | LaterSchema<S> => derivedSchema([stream], () => stream.schema)
