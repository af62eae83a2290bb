// Compiles packages/formats/assembly/*.ts (AssemblyScript) to WebAssembly, kept as text in src/example/kernel/generated. Bootstrap calls
// it when a source has changed: node scripts/build-kernels.mjs
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const formats = fileURLToPath(new URL('../packages/formats', import.meta.url))
const source = join(formats, 'assembly')
const generated = join(formats, 'src/example/kernel/generated')

// Memory is the caller's: no allocator, no collector. Bulk memory (copying) and SIMD are in every engine that Node 20 has.
const options = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'bulk-memory', '--enable', 'simd']

mkdirSync(generated, { recursive: true })
for (const name of readdirSync(source).filter((file) => file.endsWith('.ts'))) {
  const kernel = name.slice(0, -'.ts'.length)
  const binary = join(generated, `${kernel}.${process.pid}.wasm`)
  const { error, stderr } = await asc.main([join(source, name), '--outFile', binary, ...options])
  if (error) {
    process.stderr.write(stderr.toString())
    throw error
  }
  const text = readFileSync(binary).toString('base64')
  rmSync(binary)
  const temporary = join(generated, `${kernel}.${process.pid}`)
  writeFileSync(temporary, `/** assembly/${name}, compiled by scripts/build-kernels.mjs: WebAssembly in base64. */\nexport const code: string = '${text}'\n`)
  renameSync(temporary, join(generated, `${kernel}.ts`))
}
