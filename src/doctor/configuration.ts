import type { ConfigError } from '../../config/faults.ts'
import { formatLocation } from '../../config/faults.ts'
import { estimateCost, parsePasswordHash } from '../../config/formats/password-hash.ts'
import { isWeakKey, placeholderWarning } from '../../config/formats/secret-keys.ts'
import { providersOf } from '../../config/header-presets.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { escapeControls } from '../http/escape-controls.ts'
import { type Check, type Finding, failure, ok, type Result, warning } from './check.ts'

/** The faults of a configuration that cannot be used. Without a configuration there is nothing else to check. */
export function faultsAsResults({ faults }: ConfigError): Result[] {
  return faults.map((fault) => ({
    ...{ id: 'configuration', title: 'Configuration', status: 'failure' },
    detail: escapeControls([formatLocation(fault) || '(not set)', fault.key, fault.problem].join(' ')),
    fix: fault.fix,
  }))
}

export function configurationChecks({ config, warnings, file }: LoadedConfig): Check[] {
  const isPlaceholder = warnings.includes(placeholderWarning)
  const checks: Check[] = [
    {
      id: 'configuration',
      title: 'Configuration',
      run: async () => checkWarnings(warnings, file),
    },
    {
      id: 'secret_key',
      title: 'Secret key',
      run: async () => checkKeys([config.secret_key!, ...config.previous_secret_keys], isPlaceholder),
    },
  ]
  if (providersOf(config).includes('users')) checks.push({ id: 'users', title: 'Users', run: () => checkUsers(config) })
  return checks
}

function checkWarnings(warnings: readonly string[], file: string | undefined): Finding | Finding[] {
  const found = warnings.filter((text) => text !== placeholderWarning)
  return found.length === 0 ? ok(file ?? 'environment only') : found.map((text) => warning(text))
}

function checkKeys([current, ...previous]: readonly string[], isPlaceholder: boolean): Finding {
  const fix = 'generate one with `elastauth --generateKey`, and set the same one on all replicas'
  if (isPlaceholder)
    return failure("secret_key is the documentation's placeholder: all passwords change at each restart", fix)
  if (isWeakKey(current!)) return warning('secret_key has few distinct bytes, so it is not random', fix)
  return ok(`a random key of 32 bytes${previous.length === 0 ? '' : `, and ${previous.length} previous ones`}`)
}

/** Half of what the weaker of OWASP's recommendations for argon2id costs (7 MiB, 5 passes); bcrypt's cost 9 is below it. */
const minCost = 17_500

async function checkUsers(config: LoadedConfig['config']): Promise<Finding> {
  const { readUsers } = await import('../../config/sources/users-file.ts')
  const users = Object.values(readUsers(config))
  const weak = users.filter(({ password_hash }) => {
    const hash = parsePasswordHash(password_hash)
    return typeof hash !== 'string' && estimateCost(hash) < minCost
  })
  const count = `${users.length} ${users.length === 1 ? 'user' : 'users'}`
  if (weak.length === 0) return ok(`${count}, with strong password hashes`)
  return warning(
    `${weak.length} of ${count} have a password hash that is fast to guess`,
    'hash their passwords again with `elastauth hash-password`',
  )
}
