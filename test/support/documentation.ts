import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A fenced code block, without the indentation of a list. `line` is the line of its first line, from 1. */
export type CodeBlock = Readonly<{ language: string; text: string; line: number }>

export type Page = Readonly<{ path: string; text: string; blocks: readonly CodeBlock[]; inlineCode: readonly string[] }>

const root = join(import.meta.dirname, '../..')

/** The pages that describe the program to its users. The changelog also names what earlier versions had. */
export const pages: readonly Page[] = readAll(['README.md', 'SECURITY.md', '{deploy,docs,examples}/**/*.md']).map(
  ({ path, text }) => ({ path, text, ...readCode(text) }),
)

/** The files that users copy, beside the pages. */
export const exampleFiles = readAll(['Dockerfile', '{deploy,examples}/**/*.{yml,yaml,service,sh}'])

/** The places at which a pattern matches, as `path: match`, where `isFault` is true for the match. */
export function findFaults(
  texts: readonly Readonly<{ path: string; text: string }>[],
  pattern: RegExp,
  isFault: (match: RegExpExecArray) => boolean,
): string[] {
  return texts.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].filter(isFault).map(([match]) => `${path}: ${match}`),
  )
}

function readAll(patterns: readonly string[]): { path: string; text: string }[] {
  return globSync([...patterns], { cwd: root })
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
}

function readCode(text: string): Pick<Page, 'blocks' | 'inlineCode'> {
  const blocks: CodeBlock[] = []
  const prose: string[] = []
  let open: { fence: string; language: string; indent: number; line: number; lines: string[] } | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const [, indent = '', fence, language = ''] = /^( *)(`{3,})(\w*)$/.exec(line) ?? []
    if (open === undefined && fence !== undefined)
      open = { fence, language, indent: indent.length, line: index + 2, lines: [] }
    else if (open === undefined) prose.push(line)
    else if (fence === open.fence) {
      blocks.push({ language: open.language, text: `${open.lines.join('\n')}\n`, line: open.line })
      open = undefined
    } else open.lines.push(line.slice(open.indent))
  }
  const inlineCode = [...prose.join('\n').matchAll(/`([^`]+)`/g)].map(([, code]) => code!.replace(/\s+/g, ' '))
  return { blocks, inlineCode }
}
