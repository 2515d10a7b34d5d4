import { isHeaderPreset } from '../header-presets.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** What several providers must not be to each other. */
export function checkProviders(
  { auth_providers: providers }: Config,
  isSet: (key: string) => boolean,
): (RuleViolation | false)[] {
  const key = 'auth_providers'
  const headerProviders = providers.filter(isHeaderPreset)
  return [
    providers.length > 0 &&
      isSet('auth_provider') &&
      violation(key, 'is set beside auth_provider', 'keep one of them', 'auth_provider'),
    headerProviders.length > 1 &&
      violation(key, `has ${headerProviders.join(' and ')}, which both read identity headers`, 'keep one of them'),
    providers.includes('static') &&
      providers.at(-1) !== 'static' &&
      violation(key, 'has providers after static, which would never be asked', 'put static last'),
  ]
}
