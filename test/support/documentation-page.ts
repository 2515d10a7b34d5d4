import { readFileSync } from 'node:fs'

export type CodeBlock = Readonly<{ language: string; text: string; heading: string }>

/** The code blocks of a page in docs/, in order and without the indentation of lists, each with its heading. */
export function readCodeBlocks(page: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let heading = ''
  let open: { language: string; indent: number; lines: string[] } | undefined
  for (const line of readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8').split('\n')) {
    const fence = /^( *)```(\w*)$/.exec(line)
    if (fence === null) {
      if (open === undefined) heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading
      open?.lines.push(line.slice(open.indent))
    } else if (open === undefined) open = { language: fence[2]!, indent: fence[1]!.length, lines: [] }
    else {
      blocks.push({ language: open.language, text: `${open.lines.join('\n')}\n`, heading })
      open = undefined
    }
  }
  return blocks
}
