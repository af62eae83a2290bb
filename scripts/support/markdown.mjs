import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fromRoot, root } from './console.mjs'
import { filesUnder } from './stamps.mjs'

const isMarkdown = (file) => file.endsWith('.md')

/** All documents that people read, from the root: the generated API reference and the outputs of programs are not among them. */
export const documents = () =>
  [
    ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'].map((name) => join(root, name)).filter(existsSync),
    ...filesUnder(join(root, 'docs'), (file) => isMarkdown(file) && !fromRoot(file).startsWith('docs/api/')),
    ...['packages/core', 'packages/formats', 'packages/export', 'packages/distributed'].map((name) => join(root, name, 'README.md')).filter(existsSync),
    ...['examples', 'bench', 'test'].flatMap((name) => filesUnder(join(root, name), isMarkdown)),
  ].map(fromRoot)

/** Documents whose ```ts blocks are programs that work: the front pages and the guides. Design notes show what was rejected, too. */
const isRunnable = (document) => /(^|\/)README\.md$/.test(document) || document.startsWith('docs/guides/')

/** Fenced blocks of a document: `{ line, info, code }`, the line being that of the code's first. */
const blocksOf = (text) => {
  const blocks = []
  let open
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*(.*)$/.exec(line)
    if (open === undefined && fence !== null) open = { indent: fence[1].length, fence: fence[2], info: fence[3].trim(), line: index + 2, lines: [] }
    else if (open !== undefined && fence !== null && fence[3] === '' && fence[2].startsWith(open.fence)) {
      blocks.push({ line: open.line, info: open.info, code: `${open.lines.join('\n')}\n` })
      open = undefined
    } else open?.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
  }
  return blocks
}

/**
 * The programs in the documents, each with the line that it begins on. Every ```ts block is one, unless it is marked
 * ```ts no-run; a block marked ```ts continue goes on where the one before it ended. Those marked ```ts needs-tensorflow are
 * programs of their own kind, which are only given when they are asked for.
 */
export const snippets = ({ tensorflow = false } = {}) =>
  documents()
    .filter(isRunnable)
    .flatMap((document) => {
      const programs = []
      for (const { line, info, code } of blocksOf(readFileSync(join(root, document), 'utf8'))) {
        const [language, ...marks] = info.split(/\s+/)
        if (language !== 'ts' || marks.includes('no-run') || marks.includes('needs-tensorflow') !== tensorflow) continue
        const before = programs.at(-1)
        if (marks.includes('continue') && before !== undefined) before.code += code
        else programs.push({ document, line, code })
      }
      return programs
    })

/** The headings' anchors as GitHub makes them. */
const anchorsOf = (text) =>
  text
    .replace(/```[\s\S]*?```/g, '')
    .split('\n')
    .filter((line) => /^#{1,6} /.test(line))
    .map((line) =>
      line
        .replace(/^#+ /, '')
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    )

/** Links of a document that lead nowhere in this repository. Links to other hosts are not followed. */
export const brokenLinks = (document) => {
  const text = readFileSync(join(root, document), 'utf8')
  const prose = text.replace(/```[\s\S]*?```/g, '').replace(/`[^`\n]*`/g, '')
  const targets = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s*(\S+)/gm)].map((match) => match[1] ?? match[2])
  return targets.filter((target) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return false
    const [path, anchor] = target.split('#')
    const file = path === '' ? join(root, document) : join(dirname(join(root, document)), decodeURIComponent(path))
    if (!existsSync(file)) return true
    return anchor !== undefined && isMarkdown(file) && !anchorsOf(readFileSync(file, 'utf8')).includes(anchor)
  })
}
