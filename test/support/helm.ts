import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { skipBecause } from './skip.ts'

const root = join(import.meta.dirname, '../..')
export const chart = join(root, 'deploy/helm/elastauth')

/** The Helm that scripts/check-kubernetes.sh builds; otherwise the one on the PATH. */
const built = join(root, '.cache/helm-v3.22.0/helm')
const helm = existsSync(built) ? built : 'helm'

// biome-ignore lint/suspicious/noExplicitAny: the fields of Kubernetes objects are asserted, not typed.
export type KubernetesObject = Readonly<{ kind: string; metadata: any; [field: string]: any }>

export type ChartOptions = Readonly<{
  values?: object
  /** Names of files in the chart. */
  files?: readonly string[]
  release?: string
  flags?: readonly string[]
}>

/** The reason to skip tests that need Helm, or false. Throws if Helm is missing and REQUIRE_HELM=1. */
export function skipWithoutHelm(): string | false {
  if (spawnSync(helm, ['version']).error === undefined) return false
  return skipBecause('no helm on the PATH, and none built by scripts/check-kubernetes.sh', 'REQUIRE_HELM')
}

/** Runs Helm. `output` is standard output, then standard error. */
export function runHelm(args: readonly string[], input = ''): Readonly<{ code: number | null; output: string }> {
  const { status, stdout, stderr } = spawnSync(helm, args, { input, encoding: 'utf8' })
  return { code: status, output: `${stdout}${stderr}` }
}

/** The objects of the chart in the namespace `elastic`. Throws with Helm's message if it rejects the values. */
export function renderChart(options: ChartOptions = {}): readonly KubernetesObject[] {
  const { code, output } = runHelm(templateArguments(options), JSON.stringify(options.values ?? {}))
  if (code !== 0) throw new Error(output)
  return parseAllDocuments(output).flatMap((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return document.contents === null ? [] : [document.toJS()]
  })
}

/** A Helm that is built with `go install` assumes Kubernetes 1.20. */
function templateArguments({ files = [], release = 'elastauth', flags = [] }: ChartOptions): string[] {
  const values = files.flatMap((file) => ['--values', join(chart, file)])
  const version = ['--kube-version', '1.30.0']
  return ['template', release, chart, '--namespace', 'elastic', ...version, ...values, '--values', '-', ...flags]
}

/** The only object of this kind, or the one with this name. */
export function findObject(objects: readonly KubernetesObject[], kind: string, name?: string): KubernetesObject {
  const found = objects.filter(
    (object) => object.kind === kind && (name === undefined || object.metadata.name === name),
  )
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind} ${name ?? ''}`)
  return found[0]!
}
