/** For a page with less than it says. */
export const valuesEndTooEarly = (): Error => new Error('the values of a page end too early')

/** For an index that a dictionary of `length` values does not have. */
export const beyondDictionary = (index: number, length: number): Error => new Error(`a page refers to value ${index} of a dictionary of ${length}`)
