import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readLogFields } from '../../support/log-fields.ts'
import { alertingRules, dashboard, type Panel } from '../../support/monitoring.ts'

const operations = readFileSync(join(import.meta.dirname, '../../../docs/operations.md'), 'utf8')
const alertNames = alertingRules.map(({ alert }) => alert)

describe('the alerting rules in deploy/monitoring', () => {
  test('every alert waits, has a severity, says what happened and what users see, and links to its section of docs/operations.md', () => {
    for (const { alert, for: duration, labels, annotations } of alertingRules) {
      assert.match(duration ?? '', /^\d+m$/, alert)
      assert.ok(['critical', 'warning'].includes(labels.severity!), alert)
      assert.deepEqual(Object.keys(annotations), ['summary', 'description', 'runbook_url'], alert)
      const base = 'https://elastauth.example.com'
      assert.equal(annotations.runbook_url, `${base}/docs/operations.md#${alert.toLowerCase()}`)
    }
  })

  test('docs/operations.md has a section for each alert, in the order of the rules, and for no other', () => {
    const headings = [...operations.matchAll(/^### (Elastauth\w+)$/gm)].map(([, name]) => name)
    assert.deepEqual(headings, alertNames)
  })

  test('the alert about sign-ins mentions the provider and the form, whose failures it counts, and names an event of the log', () => {
    const { description = '' } = alertingRules.find(({ alert }) => alert === 'ElastauthSignInsFailing')!.annotations
    assert.match(description, /\bprovider\b/)
    assert.match(description, /\bform\b/)
    const [, action = ''] = /event\.action (\w+)/.exec(description) ?? []
    assert.ok(readLogFields().actions.has(action), description)
  })
})

describe('the dashboard in deploy/monitoring', () => {
  const { panels, templating, schemaVersion } = dashboard
  const charts = panels.filter(({ type }) => type !== 'row')

  test('every panel has an id and a title of its own', () => {
    for (const key of ['id', 'title'] as const) {
      const values = panels.map((panel) => panel[key])
      assert.deepEqual(new Set(values).size, values.length, key)
    }
  })

  test('no panel overlaps another one or the right edge of the grid', () => {
    const cells = new Set<string>()
    for (const panel of panels) {
      assert.ok(panel.gridPos.x + panel.gridPos.w <= 24, panel.title)
      for (const cell of cellsOf(panel)) {
        assert.ok(!cells.has(cell), `${panel.title} overlaps at ${cell}`)
        cells.add(cell)
      }
    }
  })

  test('every chart is of a type that Grafana has, says what it shows, and has a unit', () => {
    for (const { title, type, description = '', fieldConfig } of charts) {
      assert.ok(['heatmap', 'stat', 'table', 'timeseries'].includes(type), title)
      assert.match(description, /\w.*\.$/, title)
      assert.ok(fieldConfig?.defaults.unit !== undefined, title)
    }
  })

  test('every chart and query uses the data source that the variable selects, and the selected job and replicas', () => {
    const source = { type: 'prometheus', uid: `\${datasource}` }
    assert.deepEqual(
      templating.list.map(({ name, type }) => [name, type]),
      [
        ['datasource', 'datasource'],
        ['job', 'query'],
        ['instance', 'query'],
      ],
    )
    for (const variable of templating.list.slice(1)) assert.deepEqual(variable.datasource, source, variable.name)
    for (const { title, targets = [], datasource } of charts) {
      assert.deepEqual(datasource, source, title)
      assert.ok(targets.length > 0, title)
      assert.deepEqual(new Set(targets.map(({ refId }) => refId)).size, targets.length, title)
      for (const target of targets) {
        assert.deepEqual(target.datasource, source, title)
        for (const [, matchers] of target.expr.matchAll(/\b(?:elastauth|nodejs|process)_\w+(\{[^}]*\})?/g))
          assert.match(matchers ?? '', /^\{job="\$job", instance=~"\$instance"/, title)
      }
    }
  })

  test('the version of the schema is that of Grafana 12', () => {
    assert.equal(schemaVersion, 42)
  })
})

function cellsOf({ gridPos: { x, y, w, h } }: Panel): string[] {
  return Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`)
}
