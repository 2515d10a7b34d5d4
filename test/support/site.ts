import { existsSync, globSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { skipBecause } from './skip.ts'
import { startUpstream } from './upstream.ts'

export const siteDirectory = join(import.meta.dirname, '../../site')
const output = join(siteDirectory, 'dist')

/** The path that all pages are below, as in site/.vitepress/config.ts. */
export const base = `${process.env.DOCS_BASE ?? ''}/`

/** The reason to skip tests that need the built documentation site, or false. Throws if it is missing and REQUIRE_SITE=1. */
export function skipWithoutSite(): string | false {
  if (existsSync(join(output, '404.html'))) return false
  return skipBecause('no site/dist, which npm run docs:site builds', 'REQUIRE_SITE')
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

/** Serves the site as GitHub Pages does: docs/oidc.html is /docs/oidc, and an unknown path gets 404.html. @returns its URL */
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
