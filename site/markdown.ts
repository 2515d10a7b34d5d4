import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { toPagePath } from './page.ts'

/** The parts of markdown-it that are used. */
type Token = {
  type: string
  content: string
  children: Token[] | null
  attrGet: (name: string) => string | null
  attrSet: (name: string, value: string) => void
}
type Environment = Readonly<{ path: string; realPath?: string }>
type MarkdownIt = {
  core: {
    ruler: {
      push: (name: string, rule: (state: { tokens: Token[]; env: Environment }) => void) => void
      disable: (name: string) => void
    }
  }
  render: (markdown: string, env: Environment) => string
}

/** The content of a table cell that is text rather than a name: at least nine words. */
const longText = /(?:\S+ ){8}/

/**
 * Renders the repository's Markdown as GitHub does: braces are text, and links between files lead to pages of the site, or to the repository if
 * the file is not a page. Without the address of the repository, a link of the second kind becomes plain text.
 */
export function extendMarkdown(
  md: MarkdownIt,
  options: Readonly<{ root: string; repository: string | undefined }>,
): void {
  md.core.ruler.disable('emoji')
  md.core.ruler.push('repository-links', ({ tokens, env }) => {
    removeComments(tokens)
    addRowAnchors(tokens)
    const file = relative(options.root, env.realPath ?? env.path)
    for (const [index, token] of tokens.entries()) {
      // VitePress lets only fenced blocks scroll.
      if (token.type === 'code_block') token.type = 'fence'
      if (token.type === 'td_open' && longText.test(tokens[index + 1]!.content)) token.attrSet('class', 'text')
      if (token.children !== null)
        token.children = rewriteLinks(token.children, (href) => rewriteLink(href, file, options))
    }
  })
  const render = md.render.bind(md)
  md.render = (...args) =>
    render(...args)
      // Vue would evaluate the text between two pairs of braces.
      .replaceAll('{{', '&#123;&#123;')
      // Long names may break after their parts.
      .replace(/<code>[^<]+<\/code>/g, (code) => code.replace(/(?<=\w)[_./,:](?=\w)/g, '$&<wbr>'))
}

/** The anchor of a heading, as GitHub creates it. */
export function toAnchor(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** Removes paragraphs that are an HTML comment, such as the mark of a generated page. */
function removeComments(tokens: Token[]): void {
  for (let i = tokens.length - 1; i > 0; i--) {
    if (tokens[i]!.type === 'inline' && /^<!--.*-->$/s.test(tokens[i]!.content)) tokens.splice(i - 1, 3)
  }
}

/** Gives each row that begins with a name in code, as in a reference, the name as its anchor, so that the search leads to the row. */
function addRowAnchors(tokens: readonly Token[]): void {
  const anchors = new Set(tokens.map((token) => token.attrGet('id')))
  for (const [index, row] of tokens.entries()) {
    if (row.type !== 'tr_open' || tokens[index + 1]?.type !== 'td_open') continue
    const [name, ...rest] = tokens[index + 2]?.children ?? []
    if (name?.type !== 'code_inline' || rest.some(({ content }) => /\w/.test(content))) continue
    const anchor = /^[\w.-]+(?=$|\{)/.exec(name.content)?.[0] // a metric may have its labels in braces
    if (anchor === undefined || anchors.has(anchor)) continue
    anchors.add(anchor)
    row.attrSet('id', anchor)
  }
}

/** @param rewrite returns undefined for a link of which only the text remains */
function rewriteLinks(tokens: readonly Token[], rewrite: (href: string) => string | undefined): Token[] {
  let isRemoved = false
  return tokens.filter((token) => {
    if (token.type === 'link_open') {
      const href = rewrite(token.attrGet('href') ?? '')
      isRemoved = href === undefined
      if (href !== undefined) token.attrSet('href', href)
    }
    return !(isRemoved && (token.type === 'link_open' || token.type === 'link_close'))
  })
}

function rewriteLink(
  href: string,
  file: string,
  { root, repository }: Parameters<typeof extendMarkdown>[1],
): string | undefined {
  if (/^(#|[a-z]+:)/i.test(href)) return href
  const [path = '', anchor] = href.split('#')
  const target = join(dirname(file), path)
  if (target.endsWith('.md') && existsSync(join(root, target)))
    return toPagePath(target) + (anchor === undefined ? '' : `#${anchor}`)
  return repository && `${repository}/blob/main/${target}`
}
