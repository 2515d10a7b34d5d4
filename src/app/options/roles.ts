import type { Config } from '../../../config/schema.ts'
import type { RoleRules } from '../../auth/roles.ts'

export function roleRules(config: Config): RoleRules {
  return {
    mappings: config.group_mappings,
    defaultRoles: config.default_roles,
    allowedGroups: config.enable_group_whitelist ? config.group_whitelist : undefined,
  }
}
