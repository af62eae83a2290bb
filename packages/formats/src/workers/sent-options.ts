/** What of a reader's options goes to its workers: bad records are dealt with, and files chosen, on the thread that reads. */
export const sentOptions = (options: object): object =>
  Object.fromEntries(Object.entries(options).filter(([name, value]) => value !== undefined && !['onBadRecord', 'partitions', 'requireSuccess'].includes(name)))
