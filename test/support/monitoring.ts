import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

export type AlertingRule = Readonly<{
  alert: string
  expr: string
  for?: string
  labels: Readonly<Record<string, string>>
  annotations: Readonly<Record<string, string>>
}>

export type Panel = Readonly<{
  id: number
  type: string
  title: string
  description?: string
  gridPos: Readonly<{ x: number; y: number; w: number; h: number }>
  datasource?: unknown
  fieldConfig?: Readonly<{ defaults: Readonly<{ unit?: string }> }>
  targets?: readonly Readonly<{ refId: string; expr: string; legendFormat?: string; datasource?: unknown }>[]
  panels?: readonly Panel[]
}>

export type Dashboard = Readonly<{
  schemaVersion: number
  templating: Readonly<{
    list: readonly Readonly<{ name: string; type: string; query: unknown; definition?: string; datasource?: unknown }>[]
  }>
  panels: readonly Panel[]
}>

const folder = join(import.meta.dirname, '../../deploy/monitoring')

export const rulesFile = join(folder, 'alerts.yml')

const { groups } = parse(readFileSync(rulesFile, 'utf8')) as { groups: { rules: AlertingRule[] }[] }
export const alertingRules: readonly AlertingRule[] = groups.flatMap(({ rules }) => rules)

export const dashboard = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8')) as Dashboard

/** The queries of the dashboard for all replicas of the job `elastauth`, with `title` for messages. */
export const dashboardQueries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ refId, expr, legendFormat = '' }) => ({
    title: `${title}, ${refId}`,
    expression: withoutVariables(expr),
    legendLabels: [...legendFormat.matchAll(/\{\{ *(\w+) *\}\}/g)].map(([, label]) => label!),
  })),
)

/** The metrics that an expression selects, each with the labels that its matchers name. */
export function selectorsIn(expression: string): { name: string; labels: string[] }[] {
  const pattern = /\b((?:elastauth|nodejs|process)_\w+|up)\b(?:\{([^}]*)\})?/g
  return [...expression.matchAll(pattern)].map(([, name, matchers = '']) => ({
    name: name!,
    labels: [...matchers.matchAll(/(\w+) *(?:=~|!~|!=|=)/g)].map(([, label]) => label!),
  }))
}

/** The labels by which an expression groups or joins. */
export function groupingLabelsIn(expression: string): string[] {
  return [...expression.matchAll(/\b(?:by|without|on|ignoring) *\(([^)]*)\)/g)].flatMap(
    ([, labels]) => labels!.match(/\w+/g) ?? [],
  )
}

function withoutVariables(expression: string): string {
  return expression
    .replaceAll('$__rate_interval', '1m')
    .replaceAll('$__range', '1h')
    .replaceAll('$job', 'elastauth')
    .replaceAll('$instance', '.*')
}
