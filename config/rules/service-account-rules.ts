import type { Config } from '../schema.ts'
import { checkBothOrNeither, type RuleViolation, violation } from './violation.ts'

/** Requires an API key, or a username and a password, for Elasticsearch; a dry run needs neither. */
export function checkServiceAccount({
  elasticsearch: { username, password, api_key, dry_run },
}: Config): (RuleViolation | false)[] {
  const hasLogin = username !== null || password !== null
  if (api_key !== null) {
    return [
      hasLogin && violation('elasticsearch.api_key', 'is set together with username or password', 'keep one of them'),
    ]
  }
  if (dry_run) return []
  if (!hasLogin) {
    const fix = 'set ELASTAUTH_ELASTICSEARCH_USERNAME and _PASSWORD, or ELASTAUTH_ELASTICSEARCH_API_KEY'
    return [
      violation('elasticsearch.username', 'is required, with elasticsearch.password', fix, 'elasticsearch.password'),
    ]
  }
  return checkBothOrNeither(['elasticsearch.username', username], ['elasticsearch.password', password])
}
