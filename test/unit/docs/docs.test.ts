import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { errorTable } from '../../../src/http/errors.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('docs/errors.md lists every error code with its status', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d{3}) \|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ])
  assert.deepEqual(
    Object.fromEntries(rows),
    Object.fromEntries(Object.entries(errorTable).map(([code, { status }]) => [code, status])),
  )
})

test('docs/dependencies.md gives a reason for every dependency', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'))
  const site = JSON.parse(read('site/package.json'))
  const text = read('docs/dependencies.md')
  const names = Object.keys({ ...dependencies, ...devDependencies, ...site.devDependencies, ...site.overrides })
  for (const name of names) assert.ok(text.includes(`\`${name}\``), name)
})

test('the image has the same Node version as the tests', () => {
  const { devDependencies } = JSON.parse(read('package.json'))
  const bases = [...read('Dockerfile').matchAll(/^FROM (?:--platform=\S+ )?(\S+)/gm)].map(([, base]) => base)
  assert.deepEqual(bases, [`node:${devDependencies.node}-slim`, `node:${devDependencies.node}-slim`])
})
