import { isIP } from 'node:net'
import { suggestField } from '../suggest.ts'
import {
  describeType,
  type Format,
  isPlainMap,
  type JsonSchema,
  type Problem,
  textFormat,
  validateValue,
} from './format.ts'
import { certificateFile, privateKeyFile } from './pem.ts'

/** TLS settings for the upstreams of one route. A setting that is `null` is taken from `proxy.tls`. */
export type RouteTls = {
  readonly ca_cert: string | null
  readonly client_cert: string | null
  readonly client_key: string | null
  /** The name for SNI and certificate verification, instead of the URL's host. */
  readonly server_name: string | null
  readonly insecure_skip_verify: boolean | null
}

const unset: RouteTls = {
  ca_cert: null,
  client_cert: null,
  client_key: null,
  server_name: null,
  insecure_skip_verify: null,
}

const serverName = textFormat({
  noun: 'a host name',
  hint: 'write a name, e.g. elasticsearch.internal; TLS does not accept IP addresses here',
  jsonSchema: { pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$', maxLength: 253 },
  isValid: (text) => /^[\w-]+(?:\.[\w-]+)*$/.test(text) && text.length <= 253 && isIP(text) === 0,
})

const yamlBoolean: Format<boolean> = {
  yamlType: 'boolean',
  noun: 'true or false',
  hint: 'write true or false',
  jsonSchema: { type: 'boolean' },
  parse: (value) => (typeof value === 'boolean' ? value : undefined),
}

const fields: { readonly [field: string]: Format<string> | Format<boolean> } = {
  ca_cert: certificateFile,
  client_cert: certificateFile,
  client_key: privateKeyFile,
  server_name: serverName,
  insecure_skip_verify: yamlBoolean,
} satisfies { readonly [field in keyof RouteTls]: unknown }

export const routeTlsJson: JsonSchema = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: Object.fromEntries(
    Object.entries(fields).map(([name, { jsonSchema }]) => [name, { ...jsonSchema, type: [jsonSchema.type, 'null'] }]),
  ),
}

/** Adds the fields that a route does not set. A malformed value is kept, so that `checkRouteTls` reports it. */
export function completeRouteTls(value: unknown): RouteTls {
  if (value === undefined || value === null) return unset
  return isPlainMap(value) ? { ...unset, ...value } : (value as RouteTls)
}

export function checkRouteTls(tls: unknown): readonly Problem[] {
  if (!isPlainMap(tls)) {
    return [
      {
        problem: `has ${describeType(tls)} where a map is expected`,
        fix: 'write e.g. tls: {ca_cert: /etc/ssl/kibana-ca.crt}',
      },
    ]
  }
  return Object.entries(tls).flatMap(([name, value]): readonly Problem[] => {
    if (!Object.hasOwn(fields, name)) {
      const fix = suggestField(name, fields)
      return [{ problem: `has the unknown key ${JSON.stringify(name)}`, fix, path: [name] }]
    }
    const problems =
      value === null ? [] : validateValue<string | boolean>(fields[name] as Format<string | boolean>, value)
    return problems.map((problem) => ({ ...problem, path: [name] }))
  })
}
