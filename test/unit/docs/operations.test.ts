import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from 'prom-client'
import { createMetrics } from '../../../src/observability/metrics.ts'
import { pages } from '../../support/documentation.ts'
import { readLogFields } from '../../support/log-fields.ts'

test('docs/log-fields.md lists every field and every event.action that elastauth logs, and no others', () => {
  const [fields = '', actions = ''] = textOf('docs/log-fields.md').split('## Events')
  const logged = readLogFields()
  assert.deepEqual(firstColumn(fields).sort(), [...logged.fields].sort())
  assert.deepEqual(firstColumn(actions).sort(), [...logged.actions].sort())
})

test('docs/operations.md lists every metric of elastauth with its labels', () => {
  const { registry } = createMetrics()
  const metrics = registry!
    .getMetricsAsArray()
    .map(({ name }) => registry!.getSingleMetric(name) as Metric & { name: string; labelNames: string[] })
    .filter(({ name }) => name.startsWith('elastauth_'))
    .map(({ name, labelNames }) => (labelNames.length === 0 ? name : `${name}{${labelNames.join(',')}}`))
  assert.deepEqual(
    firstColumn(textOf('docs/operations.md'))
      .filter((name) => name.startsWith('elastauth_'))
      .sort(),
    metrics.sort(),
  )
})

test('docs/operations.md lists every reason for which elastauth writes a user', () => {
  const [, row = ''] = /^\| `elastauth_user_writes_total\{reason\}` \|(.*)\|$/m.exec(textOf('docs/operations.md')) ?? []
  const listed = [...row.matchAll(/`(\w+)`/g)].map(([, reason]) => reason!)
  assert.deepEqual(listed.sort(), [...readLogFields().writeReasons, 'idle'].sort())
})

function textOf(path: string): string {
  return pages.find((page) => page.path === path)!.text
}

/** The names in the first column of a page's tables. */
function firstColumn(text: string): string[] {
  return [...text.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name!)
}
