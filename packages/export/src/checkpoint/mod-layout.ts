/**
 * Tables partitioned by `id % parts`. A checkpoint's slices hold neighbours, so such a table lies there part by part: first the rows
 * of ids 0, parts, 2 parts, …, then those of 1, parts + 1, …. What marks it is a tensor beside it, which has the number of rows of each part.
 */

/** Name of the tensor, int64 `[parts]`, that marks the table `name`. */
export const modRowsTensor = (name: string): string => `millrace/mod_rows/${name}`

/** Rows of part `part` of `parts`. */
export const modRows = (rows: number, part: number, parts: number): number => Math.max(0, Math.ceil((rows - part) / parts))

/** First row of the part in the checkpoint. */
export const modStart = (rows: number, part: number, parts: number): number => part * Math.floor(rows / parts) + Math.min(part, rows % parts)
