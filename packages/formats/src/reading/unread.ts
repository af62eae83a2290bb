/** What of a source is given up, for errors after which nothing of it can be read. */
export const unread = (start: number, end: number | undefined): string => `bytes ${start} to ${end ?? 'the end'} are not read`
