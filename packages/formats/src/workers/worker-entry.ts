/** The file that worker threads run. It lies beside the bundle of this package. */
export const workerEntry = (): URL => new URL('./worker.js', import.meta.url)
