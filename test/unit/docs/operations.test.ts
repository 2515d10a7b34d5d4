import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Definition, definitions } from '../../../src/observability/metrics/definitions.ts'
import { pages } from '../../support/documentation.ts'
import { readLogFields } from '../../support/log-fields.ts'

test('docs/log-fields.md lists every field and every event.action that elastauth logs, and no others', () => {
  const [fields = '', actions = ''] = textOf('docs/log-fields.md').split('## Events')
  const logged = readLogFields()
  assert.deepEqual(firstColumn(fields).sort(), [...logged.fields].sort())
  assert.deepEqual(firstColumn(actions).sort(), [...logged.actions].sort())
})

test('docs/metrics.md lists every metric of elastauth with its labels', () => {
  const metrics = Object.entries<Definition>(definitions).map(([name, { labels = {} }]) => {
    const labelNames = Object.keys(labels)
    return labelNames.length === 0 ? name : `${name}{${labelNames.join(',')}}`
  })
  assert.deepEqual(
    firstColumn(textOf('docs/metrics.md'))
      .filter((name) => name.startsWith('elastauth_'))
      .sort(),
    metrics.sort(),
  )
})

test('docs/metrics.md lists every reason for which elastauth writes a user', () => {
  const [, row = ''] = /^\| `elastauth_user_writes_total\{reason\}` \|(.*)\|$/m.exec(textOf('docs/metrics.md')) ?? []
  const [, values = ''] = row.split('`reason`:')
  const listed = [...values.matchAll(/`(\w+)`/g)].map(([, reason]) => reason!)
  assert.deepEqual(listed.sort(), [...readLogFields().writeReasons, 'idle', 'deleted'].sort())
})

function textOf(path: string): string {
  return pages.find((page) => page.path === path)!.text
}

/** The names in the first column of a page's tables. */
function firstColumn(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name!)
}
