import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { extendMarkdown } from '../../../site/markdown.ts'
import { describePage, toPagePath } from '../../../site/page.ts'
import { splitIntoSections } from '../../../site/search.ts'
import { readSidebar, type SidebarItem } from '../../../site/sidebar.ts'

const root = join(import.meta.dirname, '../../..')

test('the sidebar of the documentation site has each page of docs exactly once', () => {
  const links = readSidebar(root).flatMap(({ items }) => items.flatMap(linksOf))
  const pages = globSync('docs/**/*.md', { cwd: root }).filter((file) => file !== 'docs/README.md')
  assert.deepEqual(links.filter((link) => link.startsWith('/docs/')).sort(), pages.map(toPagePath).sort())
  assert.equal(new Set(links).size, links.length)
})

test('the sidebar of the documentation site nests the pages about a proxy or a provider below their overview', () => {
  const items = readSidebar(root).flatMap((group) => group.items)
  const below = (link: string) => items.find((item) => item.link === link)?.items?.map(({ text }) => text)
  assert.deepEqual(below('/docs/deployment/'), ['Traefik', 'nginx', 'Caddy', 'HAProxy', 'Envoy'])
  assert.ok(below('/docs/oidc')?.includes('authentik'))
})

test('a link to a file that is not a page leads to the repository, and is plain text without the address of the repository', () => {
  const href = '../src/main.ts'
  assert.deepEqual(rewrite(href, 'https://git.example/owner/name'), [
    'https://git.example/owner/name/blob/main/src/main.ts',
  ])
  assert.deepEqual(rewrite(href, undefined), [])
})

test('a link to a Markdown file leads to its page, from any folder and with its anchor', () => {
  assert.deepEqual(rewrite('../README.md#installation'), ['/#installation'])
  assert.deepEqual(rewrite('deployment/README.md'), ['/docs/deployment/'])
  assert.deepEqual(rewrite('oidc.md#sessions'), ['/docs/oidc#sessions'])
  assert.deepEqual(rewrite('#sessions'), ['#sessions'])
  assert.deepEqual(rewrite('https://example.com/x.md'), ['https://example.com/x.md'])
})

test('the description of a page of the documentation site is its first paragraph without markup, cut after a sentence or a word', () => {
  assert.equal(
    describePage('# Title\n\n![image](a.svg)\n\n**One**\nline with `code`, "quotes" and [a link](b.md).\n\nMore.'),
    "One line with code, 'quotes' and a link.",
  )
  assert.equal(describePage(`# Title\n\nShort. ${'long '.repeat(60)}`), 'Short.')
  assert.match(describePage(`# Title\n\n${'long '.repeat(60)}`), /^(long ){40}…$/)
})

test('the search of the documentation site has a section for each heading, and for each row with an anchor', () => {
  const heading = (level: number, text: string) =>
    `<h${level} id="${text}" tabindex="-1">${text} <a class="header-anchor" href="#${text}">#</a></h${level}>`
  const row = '<tr id="b_key"><td><code>b_<wbr>key</code></td><td>one &lt;x&gt;</td></tr>'
  const html = `${heading(1, 'A')}<p>intro</p><table>${row}<tr><td>other</td></tr></table>${heading(3, 'C')}<p>c</p>${heading(2, 'D')}`
  assert.deepEqual(splitIntoSections(html), [
    { anchor: 'A', titles: ['A'], text: 'introother' },
    { anchor: 'b_key', titles: ['A', 'b_key'], text: 'b_key one <x>' },
    { anchor: 'C', titles: ['A', 'C'], text: 'c' },
    { anchor: 'D', titles: ['A', 'D'], text: '' },
  ])
})

function linksOf({ link, items = [] }: SidebarItem): string[] {
  return [link, ...items.flatMap(linksOf)]
}

/** @returns the `href` of each link that remains of a link in docs/users.md */
function rewrite(href: string, repository?: string): string[] {
  type Rule = Parameters<Parameters<typeof extendMarkdown>[0]['core']['ruler']['push']>[1]
  const rules: Rule[] = []
  const ruler = { push: (_name: string, rule: Rule) => rules.push(rule), disable: () => {} }
  extendMarkdown({ core: { ruler }, render: (text) => text }, { root, repository })
  const link = {
    type: 'link_open',
    content: '',
    children: null,
    href,
    attrGet: () => link.href,
    attrSet: (_: string, value: string) => (link.href = value),
  }
  const token = (type: string) => ({ type, content: '', children: null, attrGet: () => null, attrSet: () => {} })
  const inline = { ...token('inline'), children: [link, token('text'), token('link_close')] as never[] | null }
  rules[0]!({ tokens: [inline], env: { path: join(root, 'docs/users.md') } })
  const rest = inline.children as unknown as { type: string }[]
  assert.ok(rest.some(({ type }) => type === 'text'))
  assert.equal(
    rest.filter(({ type }) => type === 'link_open').length,
    rest.filter(({ type }) => type === 'link_close').length,
  )
  return rest.some(({ type }) => type === 'link_open') ? [link.href] : []
}
