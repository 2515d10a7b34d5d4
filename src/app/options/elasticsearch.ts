import type { Config } from '../../../config/schema.ts'
import type { ElasticsearchOptions } from '../../es/client.ts'
import { readCa, readPem } from './pem.ts'

export function elasticsearchOptions({ elasticsearch }: Config): ElasticsearchOptions {
  const { hosts, username, password, api_key, ca_cert, client_cert, client_key, insecure_skip_verify, timeout } =
    elasticsearch
  return {
    hosts,
    username: username ?? undefined,
    password: password ?? undefined,
    apiKey: api_key ?? undefined,
    ca: readCa(ca_cert),
    cert: readPem(client_cert),
    key: readPem(client_key),
    insecureSkipVerify: insecure_skip_verify,
    timeoutMs: timeout,
  }
}
