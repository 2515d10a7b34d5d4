import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { getFormat } from '../../../config/formats/registry.ts'
import { listChartValues } from '../../../config/generate/chart-values.ts'
import { envNameOf, keys, sections } from '../../../config/schema.ts'
import { legacyKeys } from '../../../config/sources/legacy-keys.ts'
import { adminNames, summaryOf } from '../../../src/endpoints/openapi.ts'
import { errorTable } from '../../../src/http/errors.ts'
import { type Definition, definitions } from '../../../src/observability/metrics/definitions.ts'
import { exampleFiles, findFaults, pages } from '../../support/documentation.ts'
import { readAuditNames, readLogFields } from '../../support/log-fields.ts'
import { createFullMetrics } from '../../support/metrics.ts'
import { dashboardQueries } from '../../support/monitoring.ts'

const texts = [...pages, ...exampleFiles]
const metrics: Readonly<Record<string, Definition>> = definitions

describe('the pages and examples name only what the program has', () => {
  test('every metric that a page or an example names exists, with the labels that it shows', () => {
    const pattern = /(?<![\w/.-])elastauth_[a-z0-9_]+(?:\{([^}\n]*)\})?/g
    const faults = findFaults(texts, pattern, ([match, labels = '']) => {
      const name = match.replace(/\{.*/, '').replace(/_(?:bucket|sum|count)$/, '')
      const known = Object.hasOwn(metrics, name) ? labelsOf(name) : undefined
      const shown = labels.split(',').flatMap((label) => /^ *(\w+)/.exec(label)?.[1] ?? [])
      return known === undefined || shown.some((label) => !known.includes(label))
    })
    assert.deepEqual(faults, [])
  })

  test('every label value in an expression for Prometheus is a value that the metric can have', () => {
    const expressions = [
      ...texts,
      ...dashboardQueries.map(({ title, expression }) => ({ path: title, text: expression })),
    ]
    const faults = findFaults(expressions, /\b(error_type|mode|reason|result)[!=]=?~?"([^"]*)"/g, ([, label, value]) =>
      value!.split('|').some((one) => ![...valuesOf(label!)].some((known) => new RegExp(`^(?:${one})$`).test(known))),
    )
    assert.deepEqual(faults, [])
  })

  test('every ELASTAUTH_ variable that a page or an example names belongs to a configuration key', () => {
    const variables = [...keys].flatMap(([key, { sensitive }]) =>
      sensitive ? [envNameOf(key), `${envNameOf(key)}_FILE`] : [envNameOf(key)],
    )
    const faults = findFaults(texts, /\bELASTAUTH_[A-Z0-9_]*[A-Z0-9](_?(?=[*…]))?/g, ([name, isPrefix]) =>
      isPrefix === undefined ? !variables.includes(name) : !variables.some((variable) => variable.startsWith(name)),
    )
    assert.deepEqual(
      faults.filter((fault) => !goVariables.some((name) => fault === `docs/migrating.md: ${name}`)),
      [],
    )
  })

  test('every word in snake_case or with dots that a page shows as code is a name of the program, or a known name of another one', () => {
    const faults = pages.flatMap(({ path, inlineCode }) =>
      findFaults(
        inlineCode.map((text) => ({ path, text })),
        /(?<![\w$.{/@:-])[a-z][a-z0-9]*(?:[._][a-z0-9_]+)+(?![\w/(-]|\.[a-z])/g,
        ([word]) => !isFileOrHost(word) && !ownWords.has(word) && !otherWords.has(word),
      ),
    )
    assert.deepEqual([...new Set(faults)], [])
  })

  test('docs/audit.md lists every field that only the audit log has', () => {
    const { text } = pages.find(({ path }) => path === 'docs/audit.md')!
    const { fields } = readAuditNames()
    assert.ok(fields.length >= 9, `${fields}`)
    assert.deepEqual(
      fields.filter((name) => !text.includes(`\`${name}\``)),
      [],
    )
  })

  test('every status that a page shows beside an error code is the status of that code', () => {
    const statusOf = (code = '') =>
      Object.hasOwn(errorTable, code) ? errorTable[code as 'internal'].status : undefined
    const before = findFaults(
      pages,
      /\b([45]\d\d) `(\w+)`/g,
      ([, status, code]) => (statusOf(code) ?? Number(status)) !== Number(status),
    )
    const after = findFaults(
      pages,
      /`(\w+)` \(([45]\d\d)\)/g,
      ([, code, status]) => (statusOf(code) ?? Number(status)) !== Number(status),
    )
    assert.deepEqual([...before, ...after], [])
  })

  test('every endpoint below /elastauth/ that a page or an example names exists', () => {
    const pattern = /(?<=^|[\s`"'(=|,]|:\/\/[\w.-]+(?::\d+)?)\/elastauth\/([a-z][\w.-]*\w)/gm
    assert.deepEqual(
      findFaults(
        texts,
        pattern,
        ([, name]) => summaryOf(name!) === undefined && !adminNames.some((one) => one.startsWith(`${name}/`)),
      ),
      [],
    )
  })
})

/** Variables of the Go elastauth, which docs/migrating.md translates. */
const goVariables = [
  'ELASTAUTH_ELASTICSEARCH_HOSTS_0',
  'ELASTAUTH_GROUP_MAPPINGS_ADMINS',
  'ELASTAUTH_OIDC_CUSTOM_HEADERS_X_KEY',
  'ELASTAUTH_INSECURE_SKIP_VERIFY',
]

/** Names of the program, as pages write them as code: `cache.expiration`, `redis_host`, `claim_mappings.groups`, `no_roles`. */
const ownWords: ReadonlySet<string> = new Set([
  ...[...keys.keys()].flatMap((key) => key.split('.').map((_, index, parts) => parts.slice(index).join('.'))),
  ...sections,
  ...legacyKeys.keys(),
  ...[...keys.values()].flatMap(({ format }) => (getFormat(format).jsonSchema.enum as string[] | undefined) ?? []),
  ...Object.keys(errorTable),
  ...createFullMetrics()
    .registry.getMetricsAsArray()
    .map(({ name }) => name),
  ...Object.values(metrics).flatMap(({ labels = {} }) => [...Object.keys(labels), ...Object.values(labels).flat()]),
  ...Object.values(readLogFields()).flatMap((names) => [...names]),
  ...Object.values(readAuditNames()).flat(),
  // Values of the Helm chart
  ...listChartValues(readFileSync(join(import.meta.dirname, '../../../deploy/helm/elastauth/values.yaml'), 'utf8')).map(
    ({ key }) => key,
  ),
  'resources.requests.cpu',
  'indices_incomplete',
  ...'identity_headers request_id return_to server_name strip_path password_hash'.split(' '), // of an error's body, of /elastauth/login, of a route, of a user
  ...'elastauth.service'.split(' '),
  // Operations and attributes of spans
  ...'user_read user_write user_authenticate acquire_lock session_read elastauth.request.id error.type'.split(' '),
])

/** Names of other programs and of standards. A word that a page's configuration of another program contains is known as well. */
const otherWords: ReadonlySet<string> = new Set([
  // Elasticsearch: privileges, users, settings, and the metadata of a managed user
  ...'manage_api_key manage_own_api_key manage_security kibana_system monitoring_user kibana_admin'.split(' '),
  ...'metadata.elastauth metadata.elastauth.not_before metadata._reserved key_id used_memory'.split(' '),
  ...'changed_at extended_at issued_at not_before'.split(' '),
  'xpack.security.authc.realms.native',
  'xpack.security.enabled',
  'index.mode',
  // OAuth and OpenID Connect
  ...'access_denied access_token access_type email_verified id_token invalid_grant invalid_scope'.split(' '),
  ...'offline_access preferred_username realm_access.roles refresh_token resource_access.kibana.roles'.split(' '),
  // Authelia, Dex, oauth2-proxy, Pomerium
  ...'claims_policy consent_mode two_factor jwt_claims_headers jwt_issuer_format pass_identity_headers signing_key'.split(
    ' ',
  ),
  // Envoy
  ...'common_http_protocol_options ext_authz failure_mode_allow headers_with_underscores_action http_service'.split(
    ' ',
  ),
  ...'allowed_client_headers allowed_headers headers_to_add merge_slashes normalize_path path_override server_uri xff_num_trusted_hops'.split(
    ' ',
  ),
  ...'upgrade_configs upgrade_type with_request_body'.split(' '),
  // HAProxy
  ...'httpclient.resolvers.prefer tune.bufsize txn.auth_response_successful'.split(' '),
  // nginx
  ...'auth_basic auth_request auth_request_set client_max_body_size error_page ignore_invalid_headers'.split(' '),
  ...'proxy_buffer_size proxy_http_version proxy_intercept_errors proxy_pass proxy_pass_request_body'.split(' '),
  ...'proxy_read_timeout proxy_set_header underscores_in_headers'.split(' '),
  // Beats, Caddy, Node, Prometheus
  ...'create_doc auto_configure view_index_metadata read_ilm read_pipeline manage_index_templates manage_ilm api_key'.split(
    ' ',
  ),
  ...'output.elasticsearch.hosts copy_headers perf_hooks runbook_url'.split(' '),
  ...pages.flatMap(({ blocks }) =>
    blocks
      .filter(({ language }) => ['nginx', 'haproxy', 'caddyfile', 'lua'].includes(language))
      .flatMap(({ text }) => text.match(/[a-z][a-z0-9]*(?:[._][a-z0-9_]+)+/g) ?? []),
  ),
])

/** The values that a label can have in any metric. */
function valuesOf(label: string): ReadonlySet<string> {
  return new Set(Object.values(metrics).flatMap(({ labels = {} }) => labels[label] ?? []))
}

function labelsOf(name: string): string[] {
  return Object.keys(metrics[name]!.labels ?? {})
}

function isFileOrHost(word: string): boolean {
  return /\.(?:com|crt|html|invalid|json|key|local|localhost|lua|md|net|org|pem|sh|sock|svc|test|ts|yaml|yml)$/.test(
    word,
  )
}
