/** The file that the thread runs. It lies beside the bundle of this package. */
export const inflateEntry = (): URL => new URL('./inflate.js', import.meta.url)
