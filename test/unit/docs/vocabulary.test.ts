import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { exampleFiles, findFaults, pages } from '../../support/documentation.ts'

const root = join(import.meta.dirname, '../../..')

/** Private names for things that have a term in the field. No identifier may be one of them or contain one: `debts`, `createDebts`. */
const retiredWords: Readonly<Record<string, string>> = {
  asked: 'login request',
  answer: 'response',
  canonicalise: 'canonicalize',
  debt: 'pending invalidation',
  debts: 'pending invalidations',
  flights: 'single-flight',
  front: 'request handlers',
  insist: 'force',
  l1: 'credential cache',
  l2: 'shared cache',
  lingering: 'lingerTimeoutMs',
  longest: 'max…',
  mend: 'fix or hint',
  neighbour: 'real proxy',
  neighbours: 'real proxies',
  patience: 'timeoutMs',
  predecessor: 'migrate or legacy',
  recognise: 'recognize',
  refusal: 'rejection',
  refuse: 'reject',
  resettle: 'reconcile',
  settle: 'reconcile',
  stuck: 'timed out',
  world: 'test bed',
}

/** Phrases that a native engineer would not write, in comments, messages and titles. */
const retiredPhrases = [
  /\banew\b/i,
  /\blest\b/i,
  /\bwhoever\b/i,
  /\bto be had\b/i,
  /\b(?:nobody|somebody)\b/i,
  /\bneighbours?\b/i,
  /\bbehaviour\b/i,
  /\blicence\b/i,
  /\b(?:recogni|canonicali|normali|organi)s(?:e|ed|es|ing|ation)\b/i,
]

/** Further phrases that the pages, the examples and the files for building and releasing do not use. */
const retiredInPages = [
  /\b(?:any|every)body\b/i,
  /\bno one\b/i,
  /\bours?\b/i,
  /\blet in\b/i,
  /\bgo(?:es)? on\b/i,
  /\bheal(?:s|ing)?\b/i,
  /\bmend(?:s|ed|ing)?\b/i,
  /\brefus(?:es?|als?|ing)\b/i,
  /\b(?:log|logs|logged|logging) (?:in|out)\b/, // sign in, sign out; Kibana's button is called "Log out"
  /[\u2018\u2019\u201c\u201d]/, // straight quotes
]

const files = globSync(['src/**/*.ts', 'config/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'], {
  cwd: root,
})
  .filter((path) => path !== relative(root, import.meta.filename))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
const identifiers = files.map(({ path, text }) => ({ path, names: new Set(identifiersOf(text)) }))

test('no function or value is named soon: the type is MaybePromise', () => {
  assert.deepEqual(
    identifiers.filter(({ names }) => names.has('soon')).map(({ path }) => path),
    [],
  )
})

for (const [word, term] of Object.entries(retiredWords)) {
  test(`no identifier contains "${word}": the term is ${term}`, () => {
    const found = identifiers.flatMap(({ path, names }) =>
      [...names].filter((name) => wordsOf(name).includes(word)).map((name) => `${path}: ${name}`),
    )
    assert.deepEqual(found, [])
  })
}

for (const phrase of retiredPhrases) {
  test(`no code, comment, message or title matches ${phrase}`, () => {
    const found = files.flatMap(({ path, text }) =>
      text.split('\n').flatMap((line, i) => (phrase.test(line) ? [`${path}:${i + 1}: ${line.trim()}`] : [])),
    )
    assert.deepEqual(found, [])
  })
}

const writtenFiles = [
  ...pages,
  ...exampleFiles,
  ...globSync(
    [
      '{ARCHITECTURE,CHANGELOG,CONTRIBUTING}.md',
      'bench/*.md',
      'docs/**/*.lua',
      '.ci/*',
      '.github/**/*.*',
      'scripts/*.sh',
    ],
    { cwd: root },
  ).map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
].map(({ path, text }) => ({ path, text: withoutQuotations(text) }))

for (const phrase of [...retiredPhrases, ...retiredInPages]) {
  test(`no page, example or script matches ${phrase}`, () => {
    assert.ok(writtenFiles.length > 60, `${writtenFiles.length} files`)
    const faults = findFaults(writtenFiles, new RegExp(`.*${phrase.source}.*`, `${phrase.flags}g`), () => true)
    assert.deepEqual(faults, [])
  })
}

test('the pages spell email without a hyphen', () => {
  const faults = findFaults(pages, /\be-mails?\b.*/gi, () => true)
  assert.deepEqual(faults, [])
})

/** A text without the log lines and the titles of tests that it quotes. */
function withoutQuotations(text: string): string {
  return text.replace(/^ *```log\n[\s\S]*?```$/gm, '').replace(/\[[^\n]*?\]\([^()\s]*\.test\.ts\)/g, '')
}

/** The names that a file declares or uses, without those in comments and strings. */
function identifiersOf(text: string): string[] {
  const comment = /\/\*[\s\S]*?\*\/|\/\/.*/
  const regularExpression = /(?<=[(,=:[!&|?{};\n] *)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/
  const string = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/
  const bare = text.replace(
    new RegExp([comment, regularExpression, string].map(({ source }) => source).join('|'), 'g'),
    ' ',
  )
  return bare.match(/[A-Za-z_$][\w$]*/g) ?? []
}

/** `createSettle` → create, settle. */
function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[ _$]+/)
}
