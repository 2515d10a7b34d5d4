import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const docs = join(import.meta.dirname, '../../../docs')
const page = readFileSync(join(docs, 'threat-model.md'), 'utf8')
const rows = page.split('\n').flatMap((line, index) => {
  const cells = line.split(/(?<!\\)\|/).slice(1, -1)
  const isAttack = cells.length >= 5 && !/^[-\s]*$/.test(cells[0]!) && cells[0]!.trim() !== 'Asset'
  return isAttack ? [{ line: index + 1, cells: cells.map((cell) => cell.trim()) }] : []
})

test('every attack in docs/threat-model.md has an asset, an attacker, a name, a defense and a test', () => {
  assert.ok(rows.length >= 35, `${rows.length} rows`)
  const incomplete = rows.filter(({ cells }) => cells.length !== 5 || cells.some((cell) => cell === ''))
  assert.deepEqual(incomplete, [])
  assert.deepEqual(
    rows.filter(({ cells }) => testsIn(cells[4]!).length === 0),
    [],
  )
})

test('every asset and attacker in a row of docs/threat-model.md is described in its first two tables', () => {
  const [intro = ''] = page.split('## Attacks by name')
  const described = new Set([...intro.matchAll(/^\| ([^|]+) \|/gm)].map(([, name]) => name))
  const unknown = rows.flatMap(({ line, cells: [asset = '', attacker = ''] }) =>
    [asset, attacker].filter((name) => !described.has(name)).map((name) => `line ${line}: ${name}`),
  )
  assert.deepEqual(unknown, [])
})

test('every test that docs/threat-model.md names exists with that title in that file', () => {
  const missing = rows.flatMap(({ line, cells }) =>
    testsIn(cells[4]!)
      .filter(({ title, file }) => !hasTest(join(docs, file), title))
      .map(({ title, file }) => `line ${line}: ${file}: ${title}`),
  )
  assert.deepEqual(missing, [])
})

function testsIn(cell: string): { title: string; file: string }[] {
  return [...cell.matchAll(/\[((?:[^\]]|\](?!\())+)\]\((\.\.\/test\/[^)]+\.test\.ts)\)/g)].map(([, title, file]) => ({
    title: title!.replaceAll('\\|', '|'),
    file: file!,
  }))
}

/** Whether a call of `test`, `it` or `describe` in the file has this title, as it stands in the source. */
function hasTest(path: string, title: string): boolean {
  if (!existsSync(path)) return false
  const source = readFileSync(path, 'utf8')
  return ["'", '`', '"'].some((quote) => {
    const literal = quote + title.replaceAll(quote, `\\${quote}`) + quote
    return ['test', 'it', 'describe'].some((call) =>
      new RegExp(`\\b${call}\\(\\s*${RegExp.escape(literal)}`).test(source),
    )
  })
}
