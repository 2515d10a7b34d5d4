import { emptyAccessKeyProblem, type Fault } from '../faults.ts'
import { envNameOf, keys } from '../schema.ts'
import { suggest } from '../suggest.ts'
import type { Layer, Setting } from './layer.ts'
import { legacyKeys } from './legacy-keys.ts'
import { readSecretFile } from './secret-file.ts'

const keyOfEnv: ReadonlyMap<string, string> = new Map([
  ...[...legacyKeys.keys()].map((key) => [envNameOf(key), key] as const),
  // Last, so that a name both have (ELASTAUTH_CACHE_TYPE) is the present key's and needs no warning
  ...[...keys.keys()].map((key) => [envNameOf(key), key] as const),
])

/** Reads the `ELASTAUTH_*` variables, and the files that `ELASTAUTH_…_FILE` name. An empty variable is not set. */
export function readEnvironment(env: { readonly [name: string]: string | undefined }): Layer {
  const settings: Setting[] = []
  const faults: Fault[] = []
  const warnings: string[] = []
  for (const [source, value] of Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (!source.startsWith('ELASTAUTH_') || value === undefined) continue
    const key = keyOfEnv.get(source)
    const fileKey = keyOfEnv.get(source.replace(/_FILE$/, ''))
    if (key !== undefined) {
      if (value !== '') settings.push({ key, value, location: { source }, isTyped: false })
      else if (keys.get(key)?.restrictsAccess) faults.push({ source, key, ...emptyAccessKeyProblem })
      else if (keys.get(key)?.sensitive) warnings.push(`${source} is empty: taken as not set`)
    } else if (fileKey !== undefined && isSensitive(fileKey)) {
      if (value === '' && keys.get(fileKey)?.restrictsAccess)
        faults.push({ source, key: fileKey, ...emptyAccessKeyProblem })
      if (value === '') continue
      const file = readSecretFile(value)
      warnings.push(...file.warnings.map((warning) => `${source}: ${warning}`))
      faults.push(...file.faults.map((fault) => ({ source, key: fileKey, ...fault })))
      if (env[envNameOf(fileKey)]) {
        faults.push({ source, key: fileKey, problem: `is set, and so is ${envNameOf(fileKey)}`, fix: 'keep one' })
      }
      if (file.text !== undefined)
        settings.push({ key: fileKey, value: file.text, location: { source }, isTyped: false })
    } else if (fileKey !== undefined) {
      const fix = `set ${envNameOf(fileKey)} itself`
      faults.push({ source, key: fileKey, problem: 'is no secret, so it cannot come from a file', fix })
    } else if (!isServiceLink(source, value)) {
      faults.push({ source, key: '', problem: 'unknown variable', fix: suggest(source, [...keyOfEnv.keys()]) })
    }
  }
  return { settings, faults, warnings }
}

function isSensitive(key: string): boolean {
  return keys.get(legacyKeys.get(key) ?? key)?.sensitive === true
}

/**
 * Kubernetes sets these in every pod beside a Service named `elastauth` or `elastauth-…`: not ours, not a typing error.
 * All of them have names of their own, but for `ELASTAUTH_PORT` (`tcp://10.0.0.1:5000`), which might be one.
 */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
  )
}
