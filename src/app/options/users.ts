import { providersOf } from '../../../config/header-presets.ts'
import type { Config } from '../../../config/schema.ts'

/** Where the users are configured; undefined if `users` is not one of the providers. */
export function usersOptions(config: Config): Pick<Config, 'users'> | undefined {
  return providersOf(config).includes('users') ? { users: config.users } : undefined
}
