import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '../../..')
const folders = '{.ci,.github,bench,config,deploy,docs,examples,scripts,src,test}'
const pages = globSync(['*.md', `${folders}/**/*.md`], { cwd: root })
const texts = globSync(['Dockerfile', '*.md', `${folders}/**/*.{ts,md,yml,yaml,sh,lua}`, '.ci/run'], { cwd: root })

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const isPresent = (path: string) => existsSync(join(root, path))

test('every link between pages leads to an existing file and heading', () => {
  const broken = pages.flatMap((page) =>
    linksOf(page)
      .filter(isBroken(page))
      .map((link) => `${page}: ${link}`),
  )
  assert.deepEqual(broken, [])
})

test('every file of the project that a page, a comment or a message names exists', () => {
  const missing = texts.flatMap((text) =>
    filesNamedIn(read(text))
      .filter((name) => !isPresent(name) && !isPresent(join(dirname(text), name)))
      .map((name) => `${text}: ${name}`),
  )
  assert.deepEqual(missing, [])
})

test('every file that ARCHITECTURE.md names by its path, or the end of its path, exists', () => {
  const names = [...read('ARCHITECTURE.md').matchAll(/(?<![\w*/.])[\w/.-]+\.(?:ts|md)\b/g)].map(([name]) => name)
  assert.deepEqual(
    names.filter((name) => globSync([name, `{config,src}/**/${name}`], { cwd: root }).length === 0),
    [],
  )
})

test('docs/README.md lists every page of docs', () => {
  const listed = new Set(linksOf('docs/README.md').map((link) => join('docs', link.replace(/#.*/, ''))))
  assert.deepEqual(
    pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md' && !listed.has(page)),
    [],
  )
})

function linksOf(page: string): string[] {
  return [...read(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link]) => link!)
}

function isBroken(page: string): (link: string) => boolean {
  return (link) => {
    const [path = '', heading] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    return !isPresent(target) || (heading !== undefined && !anchorsOf(read(target)).includes(heading))
  }
}

/** The anchors that GitHub generates for the headings of a page. */
function anchorsOf(markdown: string): string[] {
  const withoutCode = markdown.replace(/^(`{3,})[\s\S]*?^\1$/gm, '')
  return [...withoutCode.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/\]\([^)]*\)/g, '')
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function filesNamedIn(text: string): string[] {
  const name =
    /(?<![\w./$@{}*-])((?:src|config|docs|test|examples|deploy|bench|scripts)\/[\w./-]+\.(?:ts|md|yml|yaml|json|sh|lua))\b/g
  return [...text.matchAll(name)].map(([, file]) => file!)
}
