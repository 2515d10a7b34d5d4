import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitepress'
import { extendMarkdown, toAnchor } from '../markdown.ts'
import { describePage } from '../page.ts'
import { search } from '../search.ts'
import { readSidebar } from '../sidebar.ts'

const { description } = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'))
const root = join(import.meta.dirname, '../..')
/** The address of the repository, such as https://github.com/owner/name. Without it, no page links to the repository. */
const repository = process.env.DOCS_REPOSITORY || undefined

export default defineConfig({
  title: 'elastauth',
  description,
  lang: 'en',
  // The path of a page is its path in the repository; README.md is the page of its folder.
  srcDir: '..',
  srcExclude: ['{config,scripts,site,src,test}/**'],
  rewrites: { 'README.md': 'index.md', ':folder(.*)/README.md': ':folder/index.md' },
  outDir: 'dist',
  cacheDir: '../.cache/vitepress',
  // The path below which Pages serves the site, without the slash at its end.
  base: `${process.env.DOCS_BASE ?? ''}/`,
  cleanUrls: true,
  ignoreDeadLinks: 'localhostLinks',
  // An empty icon: otherwise browsers would request /favicon.ico, which does not exist.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    // The pages contain Markdown only: no HTML, no Vue, no attributes in braces, no emoji shortcodes.
    html: false,
    attrs: { disable: true },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    languageAlias: { caddyfile: 'nginx', haproxy: 'nginx' },
    anchor: { slugify: toAnchor },
    config: (md) => extendMarkdown(md, { root, repository }),
  },
  vite: { plugins: [vueFromSite()] },
  transformPageData: ({ filePath }) => ({
    description: describePage(readFileSync(join(root, filePath), 'utf8')) || description,
  }),
  themeConfig: {
    nav: [{ text: 'Documentation', link: '/docs/' }],
    sidebar: readSidebar(root),
    outline: 'deep',
    search: { provider: 'local', options: { miniSearch: search } },
    ...(repository && {
      editLink: { pattern: `${repository}/edit/main/:path`, text: 'Edit this page' },
      socialLinks: [{ icon: 'github', link: repository, ariaLabel: 'Repository' }],
    }),
  },
})

/** Lets Node resolve Vue when it renders the pages. Vite would look in the node_modules of the repository, where the pages are. */
function vueFromSite(): Plugin {
  return {
    name: 'vue-from-site',
    enforce: 'pre',
    resolveId: (id, _importer, { ssr }) => (ssr && /^vue(\/|$)/.test(id) ? { id, external: true } : undefined),
  }
}
