import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/** Requires a sink for what belongs to the audit log. */
export function checkAudit({ audit, proxy }: Config): (RuleViolation | false)[] {
  const { path, stdout, required, requests, elasticsearch } = audit
  const hasSink = path !== null || stdout || elasticsearch.api_key !== null
  const sinkFix = 'set audit.path, audit.stdout or audit.elasticsearch.api_key'
  const keyFix = 'set audit.elasticsearch.api_key, or remove this key'
  return [
    required && !hasSink && violation('audit.required', 'is true, but there is no audit log', sinkFix),
    requests && !hasSink && violation('audit.requests', 'is true, but there is no audit log', sinkFix),
    requests &&
      !proxy.enabled &&
      violation(
        'audit.requests',
        'is true, but only proxy mode sees the requests of clients',
        'set proxy.enabled: true, or remove audit.requests',
        'proxy.enabled',
      ),
    ...(['hosts', 'ca_cert'] as const).map(
      (name) =>
        elasticsearch.api_key === null &&
        (elasticsearch[name]?.length ?? 0) > 0 &&
        violation(
          `audit.elasticsearch.${name}`,
          'is set, but audit.elasticsearch.api_key is not',
          keyFix,
          'audit.elasticsearch.api_key',
        ),
    ),
  ]
}
