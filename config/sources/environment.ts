import { emptyAccessKeyProblem, type Fault } from '../faults.ts'
import { envNameOf, keys } from '../schema.ts'
import { suggest } from '../suggest.ts'
import type { Layer, Setting } from './layer.ts'
import { isSensitiveKey, legacyKeys } from './legacy-keys.ts'
import { readSecretFile } from './secret-file.ts'

type Environment = { readonly [name: string]: string | undefined }

const keyOfVariable: ReadonlyMap<string, string> = new Map([
  ...[...legacyKeys.keys()].map((key) => [envNameOf(key), key] as const),
  // Current keys come last, so that a variable that is also a legacy name (ELASTAUTH_CACHE_TYPE) sets the current key
  // without a warning.
  ...[...keys.keys()].map((key) => [envNameOf(key), key] as const),
])

/**
 * Reads the `ELASTAUTH_*` variables, and the secret files that `ELASTAUTH_…_FILE` variables name. An empty variable
 * counts as not set.
 */
export function readEnvironment(env: Environment): Layer {
  const layers = Object.entries(env)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]) =>
      name.startsWith('ELASTAUTH_') && value !== undefined ? [readVariable(name, value, env)] : [],
    )
  return {
    settings: layers.flatMap(({ settings = [] }) => settings),
    faults: layers.flatMap(({ faults = [] }) => faults),
    warnings: layers.flatMap(({ warnings = [] }) => warnings),
  }
}

function readVariable(source: string, value: string, env: Environment): Partial<Layer> {
  const key = keyOfVariable.get(source)
  if (key !== undefined) return readValue(source, key, value)
  const fileKey = keyOfVariable.get(source.replace(/_FILE$/, ''))
  if (fileKey !== undefined) return readFileVariable(source, fileKey, value, env)
  if (isServiceLink(source, value)) return {}
  return { faults: [{ source, key: '', problem: 'unknown variable', fix: suggest(source, [...keyOfVariable.keys()]) }] }
}

function readValue(source: string, key: string, value: string): Partial<Layer> {
  if (value !== '') return { settings: [settingOf(source, key, value)] }
  if (keys.get(key)?.restrictsAccess) return { faults: [{ source, key, ...emptyAccessKeyProblem }] }
  return keys.get(key)?.sensitive ? { warnings: [`${source} is empty: taken as not set`] } : {}
}

function readFileVariable(source: string, key: string, path: string, env: Environment): Partial<Layer> {
  if (!isSensitiveKey(key)) {
    const fix = `set ${envNameOf(key)} instead`
    return { faults: [{ source, key, problem: 'is not a secret, so it cannot be read from a file', fix }] }
  }
  if (path === '') return keys.get(key)?.restrictsAccess ? { faults: [{ source, key, ...emptyAccessKeyProblem }] } : {}
  const file = readSecretFile(path)
  const faults: Fault[] = file.faults.map((fault) => ({ source, key, ...fault }))
  if (env[envNameOf(key)]) {
    faults.push({ source, key, problem: `is set together with ${envNameOf(key)}`, fix: 'keep one of them' })
  }
  return {
    settings: file.text === undefined ? [] : [settingOf(source, key, file.text)],
    faults,
    warnings: file.warnings.map((warning) => `${source}: ${warning}`),
  }
}

function settingOf(source: string, key: string, value: string): Setting {
  return { key, value, location: { source }, isTyped: false }
}

/**
 * Whether Kubernetes set this variable, as it does in every pod of a namespace with a Service named `elastauth` or
 * `elastauth-…`. Only `ELASTAUTH_PORT` could also be a misspelled key, so its value is checked (`tcp://10.0.0.1:5000`).
 */
function isServiceLink(name: string, value: string): boolean {
  return serviceName.test(name) || portName.test(name) || (name.endsWith('_PORT') && portUrl.test(value))
}

/** `…_SERVICE_HOST`, `…_SERVICE_PORT`, `…_SERVICE_PORT_HTTP` */
const serviceName = /_SERVICE_(?:HOST|PORT|PORT_\w+)$/
/** `…_PORT_5000_TCP`, `…_PORT_5000_TCP_ADDR` */
const portName = /_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/
/** `tcp://10.0.0.1:5000` */
const portUrl = /^(?:tcp|udp|sctp):\/\//
