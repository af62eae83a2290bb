/** Plain data that survives `JSON.stringify`. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * Where a stream stands: everything before it has been delivered. Plain JSON; only the stream that gave it reads it.
 * Opening the stream `from` a position yields exactly the rest.
 */
export type Position = Json
