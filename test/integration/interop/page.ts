import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const pages = join(import.meta.dirname, '../../../docs/deployment')

/** The configuration that a page of docs/deployment shows, in this language. */
export function configurationFrom(page: string, language: string): string {
  const [, block, ...rest] = readFileSync(join(pages, page), 'utf8').split(new RegExp(`^\`\`\`${language}$`, 'm'))
  if (block === undefined || rest.length > 0) throw new Error(`${page} does not have one block of ${language}`)
  return block.slice(0, block.search(/^```$/m))
}

/** The same with what has to be another here. Throws where the text does not have what is to be replaced. */
export function adapted(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the page's configuration no longer has ${JSON.stringify(from)}`)
    return changed.replaceAll(from, to)
  }, text)
}
