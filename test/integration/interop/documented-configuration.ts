import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const pages = join(import.meta.dirname, '../../../docs/deployment')

/** The configuration block of a page, relative to docs/deployment, in this language. Throws unless the page has exactly one. */
export function readConfiguration(page: string, language: string): string {
  const [, block, ...rest] = readFileSync(join(pages, page), 'utf8').split(new RegExp(`^\`\`\`${language}$`, 'm'))
  if (block === undefined || rest.length > 0) throw new Error(`${page} does not have one block of ${language}`)
  return block.slice(0, block.search(/^```$/m))
}

/** Replaces addresses and paths with those of the test. Throws where the configuration does not contain one of them. */
export function adapt(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the page's configuration no longer contains ${JSON.stringify(from)}`)
    return changed.replaceAll(from, to)
  }, text)
}
