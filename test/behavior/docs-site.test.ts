import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { toPagePath } from '../../site/page.ts'
import { base, readAssets, readSite, siteDirectory, skipWithoutSite } from '../support/site.ts'

const root = join(siteDirectory, '..')

describe('the built documentation site', { skip: skipWithoutSite() }, () => {
  const pages = readSite()

  test('every Markdown file for users is a page of the documentation site', () => {
    const files = globSync(['*.md', '{bench,deploy,docs,examples}/**/*.md'], { cwd: root })
    assert.deepEqual(
      [...pages.keys()].sort(),
      [...files.map((file) => base + toPagePath(file).slice(1)), `${base}404`].sort(),
    )
  })

  test('every link of the documentation site leads to a page or a file of it, and to an existing anchor', () => {
    const files = readAssets()
    const broken = [...pages].flatMap(([path, html]) =>
      attributesOf(html, 'href|src')
        .map((link) => ({ link, target: new URL(link, `http://site${path}`) }))
        .filter(({ target }) => target.origin === 'http://site')
        .filter(({ target: { pathname, hash } }) => {
          const page = pages.get(pathname)
          const hasAnchor =
            hash === '' || (page !== undefined && attributesOf(page, 'id').includes(decodeURIComponent(hash.slice(1))))
          return (page === undefined && !files.has(pathname)) || !hasAnchor
        })
        .map(({ link }) => `${path}: ${link}`),
    )
    assert.deepEqual(broken, [])
  })

  test('the documentation site loads nothing from another server', () => {
    const markup = [...pages.values()].flatMap((html) => [
      ...[...html.matchAll(/<(?:link|script|img|iframe|source)\b[^>]*>/g)].map(([tag]) => tag),
    ])
    const styles = [...readAssets()].filter(([path]) => path.endsWith('.css')).map(([, text]) => text)
    assert.notEqual(styles.length, 0)
    assert.deepEqual(
      markup.filter((tag) => /(?:href|src)="(?:\w+:)?\/\//.test(tag)),
      [],
    )
    assert.deepEqual(
      styles.flatMap((text) => text.match(/(?:url\(|@import)\s*["']?(?:\w+:)?\/\/[^)\s]*/g) ?? []),
      [],
    )
  })

  test('every page of the documentation site has a title and a description of its own', () => {
    const titles = new Set<string>()
    for (const [path, html] of pages) {
      if (path === `${base}404`) continue
      const title = /<title>([^<]+)<\/title>/.exec(html)?.[1] ?? ''
      assert.ok(!titles.has(title), `${path}: ${title}`)
      titles.add(title)
      const description = /<meta name="description" content="([^"]*)">/.exec(html)?.[1] ?? ''
      assert.ok(description.length > 20 && !description.includes('VitePress'), `${path}: ${description}`)
    }
  })

  test('a table row on the documentation site has the name that it begins with as its anchor, unless a heading has that anchor', async () => {
    const rows = ['`a.b_c` 🔒', '`total{kind}`', '`title`', '`a.b_c`', '`two words`', '`name` and text', 'text']
    const html = await render(
      `# title\n\n| Name | Meaning |\n|---|---|\n${rows.map((row) => `| ${row} | x |\n`).join('')}`,
    )
    assert.deepEqual(attributesOf(html, 'id'), ['title', 'a.b_c', 'total'])
  })

  test('the documentation site does not show HTML comments of a page', async () => {
    assert.doesNotMatch(await render('# Title\n\n<!-- Generated. -->\n\nText.\n'), /Generated/)
    assert.match(await render('# Title\n\nText.\n'), /Text/)
    const shown = [...pages].filter(([, html]) => html.includes('&lt;!--')).map(([path]) => path)
    assert.deepEqual(shown, [])
  })

  test('the documentation site renders HTML, braces and shortcodes outside code literally', async () => {
    const text = 'Replace <host> and <script>, {{ .Values.name }}, {.class}, :smile: and `{{ 1 + 1 }}` with <Badge/>.'
    const html = await render(
      `# {{ 1 + 1 }} of <host>\n\n${text}\n\n    {{ 1 + 1 }} indented\n\n~~~yaml\nname: {{ 1 + 1 }}\n~~~\n`,
    )
    const shown = html
      .replace(/<[^>]+>/g, '')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
    assert.match(shown, /^\{\{ 1 \+ 1 \}\} of <host>/)
    assert.ok(shown.includes(text.replaceAll('`', '')), shown)
    assert.ok(shown.includes('{{ 1 + 1 }} indented'), shown)
    assert.ok(shown.includes('name: {{ 1 + 1 }}'), shown)
  })
})

function attributesOf(html: string, name: string): string[] {
  return [...html.matchAll(new RegExp(` (?:${name})="([^"]*)"`, 'g'))].map(([, value]) =>
    value!.replaceAll('&amp;', '&'),
  )
}

/** Renders Markdown as VitePress does: to a template, which Vue compiles. */
async function render(markdown: string): Promise<string> {
  const { resolve } = createRequire(join(siteDirectory, 'package.json'))
  const { default: config } = await import(join(siteDirectory, '.vitepress/config.ts'))
  const { createMarkdownRenderer } = await import(join(siteDirectory, 'node_modules/vitepress/dist/node/index.js'))
  const { createSSRApp } = await import(resolve('vue'))
  const { renderToString } = await import(resolve('vue/server-renderer'))
  const renderer = await createMarkdownRenderer(root, config.markdown)
  const template = renderer.render(markdown, {
    path: join(root, 'docs/users.md'),
    relativePath: 'docs/users.md',
    cleanUrls: true,
  })
  return renderToString(createSSRApp({ template: `<div>${template}</div>` }))
}
