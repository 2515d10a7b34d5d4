import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toPagePath } from './page.ts'

export type SidebarItem = { text: string; link: string; collapsed?: boolean; items?: SidebarItem[] }
export type SidebarGroup = { text: string; items: SidebarItem[] }

/**
 * The sidebar: a group for each table of docs/README.md, with the pages that the table links to. A page in a folder of docs, such as
 * docs/providers/okta.md, is nested below the page that its row links to before the folder.
 */
export function readSidebar(root: string): SidebarGroup[] {
  const listed = new Set<string>()
  return readFileSync(join(root, 'docs/README.md'), 'utf8')
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [text = '', ...rows] = section.split('\n')
      return { text, items: rows.flatMap((row) => readRow(row, root, listed)) }
    })
}

function readRow(row: string, root: string, listed: Set<string>): SidebarItem[] {
  const items: SidebarItem[] = []
  for (const [, text = '', link = ''] of row.matchAll(/\[([^\]]+)\]\(([^)\s]+\.md)\)/g)) {
    const path = join('docs', link)
    if (listed.has(path)) continue
    listed.add(path)
    const item = { text: toLabel(text, join(root, path)), link: toPagePath(path) }
    const parent = /^docs\/.+\/(?!README\.md$)/.test(path) ? items.at(-1) : undefined
    if (parent === undefined) items.push(item)
    else {
      parent.collapsed = true
      parent.items = [...(parent.items ?? []), item]
    }
  }
  return items
}

/** The text of a link, capitalized unless it is the title of its page, such as nginx. */
function toLabel(text: string, file: string): string {
  const isTitle = readFileSync(file, 'utf8').startsWith(`# ${text}\n`)
  return isTitle ? text : text.charAt(0).toUpperCase() + text.slice(1)
}
