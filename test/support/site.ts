import { existsSync, globSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { startUpstream } from './upstream.ts'

export const siteDirectory = join(import.meta.dirname, '../../site')
const output = join(siteDirectory, 'dist')

/** What the pages of the built site are below, as in site/.vitepress/config.ts. */
export const base = `${process.env.DOCS_BASE ?? ''}/`

/** The reason to skip tests that need the built documentation site, or false. Throws if it is missing and REQUIRE_SITE=1. */
export function skipWithoutSite(): string | false {
  if (existsSync(join(output, '404.html'))) return false
  if (process.env.REQUIRE_SITE === '1')
    throw new Error('REQUIRE_SITE=1, but site/dist is missing: run npm run docs:site')
  console.error(
    '\nSKIPPED: the documentation site is not built (npm run docs:site). REQUIRE_SITE=1 makes this a failure.\n',
  )
  return 'the documentation site is not built'
}

/** The HTML of each page by its path on the site. */
export function readSite(): ReadonlyMap<string, string> {
  return new Map(
    globSync('**/*.html', { cwd: output }).map((file) => [
      base + file.replace(/\.html$/, '').replace(/(^|\/)index$/, '$1'),
      readFileSync(join(output, file), 'utf8'),
    ]),
  )
}

/** The files of the site that are not pages, by their path on the site. */
export function readAssets(): ReadonlyMap<string, string> {
  const files = globSync('**/*.*', { cwd: output }).filter((file) => !file.endsWith('.html'))
  return new Map(files.map((file) => [base + file, readFileSync(join(output, file), 'utf8')]))
}

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Serves the site as GitHub Pages does: docs/oidc.html is /docs/oidc, and 404.html is the response to an unknown path. @returns its address */
export async function startSite(): Promise<string> {
  const { url } = await startUpstream((request, response) => {
    const { pathname } = new URL(request.url!, 'http://site')
    const path = join(output, pathname.startsWith(base) ? pathname.slice(base.length) : 'not-below-the-base')
    const file = [path, `${path}.html`, join(path, 'index.html')].find(
      (name) => extname(name) !== '' && existsSync(name),
    )
    response.writeHead(file === undefined ? 404 : 200, {
      'content-type': contentTypes[extname(file ?? '404.html')] ?? 'text/plain',
    })
    response.end(readFileSync(file ?? join(output, '404.html')))
  })
  return url + base
}
