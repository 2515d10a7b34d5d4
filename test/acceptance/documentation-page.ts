import { readFileSync } from 'node:fs'

export type CodeBlock = Readonly<{ language: string; text: string; heading: string }>

/** The code blocks of a page in docs/, in order, without the indentation of a list, each with the heading it stands under. */
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

/** The text of the block under a heading, its first. */
export function pickBlock(blocks: readonly CodeBlock[], heading: string): string {
  const block = blocks.find((block) => block.heading === heading)
  if (block === undefined) throw new Error(`no block under the heading ${heading}`)
  return block.text
}

/** The `ELASTAUTH_*` variables that a block sets: as lines of a shell, or in the `environment` of a compose file; of two, the first. */
export function readVariables({ text }: CodeBlock): Record<string, string> {
  const found = [...text.matchAll(/^ *(?:- |export )?(ELASTAUTH_\w+)=(.*)$/gm)]
  return Object.fromEntries(found.reverse().map(([, name, value]) => [name!, value!]))
}
