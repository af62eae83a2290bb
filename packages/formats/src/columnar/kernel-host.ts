/** The parts of WebAssembly that are used; its types come with the DOM's, which Node's programs have no other use for. */
export interface WebAssemblyHost {
  Module: new (code: Uint8Array) => object
  Memory: new (limits: { initial: number; maximum: number }) => WebAssemblyMemory
  Instance: new (module: object, imports: object) => { readonly exports: object }
}

/** Memory of a kernel. It grows, and `buffer` is another one then. */
export interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/** Bytes of a page, by which memory grows. */
export const PAGE = 65536

const compiled = new Map<string, object>()
let unavailable = false

/** The compiled kernel; `undefined` where there is no WebAssembly with SIMD (`node --jitless`), which costs speed only. */
export const compiledKernel = (code: string): { readonly host: WebAssemblyHost; readonly module: object } | undefined => {
  const host = (globalThis as { WebAssembly?: WebAssemblyHost }).WebAssembly
  if (host === undefined || unavailable) return undefined
  try {
    const module = compiled.get(code) ?? new host.Module(Buffer.from(code, 'base64'))
    compiled.set(code, module)
    return { host, module }
  } catch {
    unavailable = true
    return undefined
  }
}
