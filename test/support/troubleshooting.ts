import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Gateway, LogLine } from './gateway.ts'

/** A log line that docs/troubleshooting.md quotes: the error code (`-` for none) and the message, in which `…` matches any text. */
export type Quote = Readonly<{ code: string; message: string }>

const page = readFileSync(join(import.meta.dirname, '../../docs/troubleshooting.md'), 'utf8')

/** The cases of the page, by heading. The first section describes `elastauth doctor`. */
const sections = page
  .split(/^## /m)
  .slice(2)
  .map((text) => [text.slice(0, text.indexOf('\n')), text] as const)

/** The quotes of each case of the page by its heading; cases without quotes are left out. */
export const quotedCases: ReadonlyMap<string, readonly Quote[]> = new Map(
  sections.map(([heading, text]) => [heading, quotesOf(text)] as const).filter(([, quotes]) => quotes.length > 0),
)

/** The titles of the checks of `elastauth doctor` that find each case, by its heading. */
export const doctorTitles: ReadonlyMap<string, readonly string[]> = new Map(
  sections.map(([heading, text]) => [
    heading,
    /^`elastauth doctor` reports it under: (.+)$/m.exec(text)?.[1]?.split(', ') ?? [],
  ]),
)

function quotesOf(section: string): Quote[] {
  const blocks = [...section.matchAll(/^```log\n(.*?)^```$/gms)].map(([, text]) => text!)
  return blocks.flatMap((text) => text.trimEnd().split('\n').map(readQuote))
}

function readQuote(line: string): Quote {
  const [, code, message] = /^(\S+) +(.+)$/.exec(line) ?? []
  if (code === undefined || message === undefined)
    throw new Error(`troubleshooting.md: a line without an error code: ${line}`)
  return { code, message }
}

/** Waits until one of the gateways has logged the quoted line. Rejects with their output if none of them does. */
export async function findQuoted(gateways: readonly Gateway[], quote: Quote): Promise<void> {
  const deadline = AbortSignal.timeout(120_000)
  const timedOut = new Promise<never>((_, reject) => {
    deadline.addEventListener('abort', () => {
      const logs = gateways.map((gateway) => gateway.output()).join('\n')
      reject(new Error(`no gateway logged "${quote.code}  ${quote.message}", but\n${logs}`))
    })
  })
  await Promise.race([...gateways.map((gateway) => gateway.logged((line) => isQuoted(quote, line))), timedOut])
}

export function isQuoted({ code, message }: Quote, line: LogLine): boolean {
  const parts = message.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.+')}$`, 's').test(line.message ?? '') && (line['error.code'] ?? '-') === code
}
