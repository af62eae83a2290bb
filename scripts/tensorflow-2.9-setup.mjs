/**
 * node scripts/tensorflow-2.9-setup.mjs: makes .peers/tensorflow-2.9, a folder with a libtensorflow of TensorFlow 2.9.1, for the tests
 * that our graphs train in it: it is what @tensorflow/tfjs-node brings, but that is downloaded from where not every network leads.
 *
 * Here it is taken out of the wheel of tensorflow-cpu 2.9.1 (some 200 MB): its Python extension holds the C API. What that wants of
 * Python is never used by the C API, so a small library, compiled here with a C compiler (CC, else cc), stands in for it. Does nothing
 * when it is there. `npm run peers:setup` runs this. Linux on x86-64 only, as the wheel is.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromRoot, root } from './support/console.mjs'

const folder = join(root, '.peers', 'tensorflow-2.9')
const python = process.env.MILLRACE_PEER_PYTHON || join(root, '.peers', 'venv', 'bin', 'python')
const compiler = process.env.CC || 'cc'
const version = '2.9.1'
const extension = '_pywrap_tensorflow_internal.so'
const framework = 'libtensorflow_framework.so.2'
const library = join(folder, 'libtensorflow.so.2')

/** Best effort: the tests say what they lack. */
const giveUp = (reason, details = '') => {
  rmSync(folder, { recursive: true, force: true })
  console.log(`peers: no TensorFlow ${version}, so that the tests that train in it cannot run: ${reason}`)
  if (details !== '') console.log(details.trim().split('\n').slice(-12).join('\n'))
  process.exit(1)
}

const quiet = (what, command, args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 << 20 })
  if (status !== 0) giveUp(`${what} failed (${error?.message ?? `status ${status}`})`, `${stdout ?? ''}\n${stderr ?? ''}`)
  return stdout
}

/** Asks the library for its version: nothing of npm is installed yet where a machine is new. */
const asks = `
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **names) {
  void *library = count > 1 ? dlopen(names[1], RTLD_LAZY) : 0;
  const char *(*version)(void) = library ? (const char *(*)(void))dlsym(library, "TF_Version") : 0;
  if (!version) return 1;
  puts(version());
  return 0;
}
`

/** The version that the library says it is; empty where it does not load. */
const says = () => {
  const [source, program] = [join(folder, 'asks.c'), join(folder, 'asks')]
  writeFileSync(source, asks)
  spawnSync(compiler, ['-o', program, source, '-ldl'])
  return (spawnSync(program, [library], { encoding: 'utf8' }).stdout ?? '').trim()
}

if (existsSync(library) && says() === version) {
  console.log(`peers: ${fromRoot(folder)} is up to date`)
  process.exit(0)
}
rmSync(folder, { recursive: true, force: true })
if (process.platform !== 'linux' || process.arch !== 'x64') giveUp(`its wheel is for Linux on x86-64, and this is ${process.platform} on ${process.arch}`)
if (!existsSync(python)) giveUp(`no Python at ${fromRoot(python)}`)
if (spawnSync(compiler, ['--version']).status !== 0) giveUp(`no C compiler: ${compiler} does not run. Install one, or name it in CC`)

console.log(`peers: fetching TensorFlow ${version} to ${fromRoot(folder)} (500 MB on disk)`)
mkdirSync(folder, { recursive: true })
quiet('pip download', python, [
  '-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-input', '--no-deps', '--dest', folder,
  '--python-version', '3.10', '--platform', 'manylinux2014_x86_64', '--only-binary=:all:', `tensorflow-cpu==${version}`,
])
const wheel = join(folder, readdirSync(folder).find((name) => name.endsWith('.whl')))
const unpack = `
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in sys.argv[2:]:
        with wheel.open('tensorflow/' + name) as source, open(name.split('/')[-1], 'wb') as target:
            shutil.copyfileobj(source, target, 1 << 20)
`
quiet('unpacking the wheel', python, ['-c', unpack, wheel, framework, `python/${extension}`])
rmSync(wheel)

const wanted = quiet('nm', 'nm', ['-D', '--undefined-only', extension]).split('\n').map((line) => line.trim().split(/\s+/)[1]?.split('@')[0]).filter((name) => /^_?Py/.test(name ?? ''))
// Large enough for what the loader copies of it: an object of Python's.
writeFileSync(join(folder, 'python.c'), wanted.map((name) => `long ${name}[64];\n`).join(''))
quiet(compiler, compiler, [
  '-shared', '-fPIC', '-o', library, 'python.c', '-Wl,--no-as-needed', '-L.', `-l:${extension}`, `-l:${framework}`, '-Wl,--allow-shlib-undefined', '-Wl,-rpath,$ORIGIN',
])
if (says() !== version) giveUp('what was made does not load')
console.log(`peers: TensorFlow ${version} is ready`)
