import type { Config } from '../../../config/schema.ts'
import type { ElasticsearchOptions } from '../../es/client.ts'
import { elasticsearchOptions } from './elasticsearch.ts'
import { readCa } from './pem.ts'

export type AuditOptions = NonNullable<ReturnType<typeof auditOptions>>

/** The audit log; undefined if it has no sink. */
export function auditOptions(config: Config) {
  const { path, stdout, required, requests, elasticsearch } = config.audit
  if (path === null && !stdout && elasticsearch.api_key === null) return undefined
  const hasElasticsearch = elasticsearch.api_key !== null
  return {
    secretKey: config.secret_key!,
    path: path ?? undefined,
    hasStdout: stdout,
    isRequired: required,
    hasRequests: requests,
    elasticsearch: hasElasticsearch ? auditElasticsearchOptions(config) : undefined,
    dataStream: elasticsearch.data_stream,
  }
}

/** The certificates for `elasticsearch.hosts` do not apply to `audit.elasticsearch.hosts`. */
export function auditElasticsearchOptions(config: Config): ElasticsearchOptions {
  const { hosts, ca_cert, api_key } = config.audit.elasticsearch
  const { username: _, password: __, ...main } = elasticsearchOptions(config)
  const apiKey = api_key ?? undefined
  const ca = readCa(ca_cert)
  if (hosts.length === 0) return { ...main, apiKey, ca: ca ?? main.ca }
  return { hosts, apiKey, ca, insecureSkipVerify: false, timeoutMs: main.timeoutMs }
}
