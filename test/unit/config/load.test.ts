import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ConfigError } from '../../../config/faults.ts'
import { loadConfig } from '../../../config/load.ts'
import { redactConfig } from '../../../config/redact.ts'
import { legacyKeys } from '../../../config/sources/legacy-keys.ts'
import { environment as specifiedEnv, configuration as specifiedYaml } from '../../acceptance/specification.ts'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { faultsOf, key, linesOf, load, minimal, skipOnMount, writeFiles, yamlFile } from './fixture.ts'

const otherKey = 'fedcba9876543210'.repeat(4)
const accountEnv = { ELASTAUTH_ELASTICSEARCH_USERNAME: 'u', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'p' }
const clientCert = writeFiles({ pem: createCertificateAuthority().issue('client').cert }).pem
const dryEnv = { ELASTAUTH_SECRET_KEY: key, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }

test('the config.yml of the specification of auth-only mode loads unchanged', () => {
  const { config, warnings } = load(specifiedYaml)
  assert.deepEqual(config.elasticsearch.hosts, ['https://elasticsearch:9200'])
  assert.equal(config.cache.type, 'redis')
  assert.equal(config.cache.redis_host, 'redis:6379')
  assert.equal(config.cache.expiration, 3_600_000)
  assert.deepEqual(config.default_roles, ['kibana_user'])
  assert.equal(config.proxy.enabled, false)
  assert.deepEqual(config.listen, ['0.0.0.0:5000'])
  assert.match(
    warnings.join('\n'),
    /^elasticsearch\.username is elastic.*\ntrusted_proxies is not set.*\nsecret_key is .*placeholder.*$/,
  )
})

test('the environment variables of the specification of auth-only mode load unchanged, with and without its file', () => {
  const { pem } = writeFiles({ pem: createCertificateAuthority().cert })
  const env = { ...specifiedEnv, ELASTAUTH_ELASTICSEARCH_CA_CERT: pem }
  for (const { config } of [
    loadConfig({ file: yamlFile(writeFiles({ a: '' }).a), env, flags: {} }),
    load(specifiedYaml, { env }),
  ]) {
    assert.deepEqual(config.listen, ['0.0.0.0:5000'])
    assert.equal(config.elasticsearch.ca_cert, pem)
    assert.equal(config.cache.expiration, 3_600_000)
  }
})

test('a placeholder secret_key is replaced by a random key that is the same until the restart, with a warning', () => {
  for (const placeholder of ['your-64-char-hex-key', 'your-generated-key']) {
    const { config, warnings } = load('', { env: { ...dryEnv, ELASTAUTH_SECRET_KEY: placeholder } })
    assert.match(config.secret_key!, /^[0-9a-f]{64}$/)
    assert.equal(
      load('', { env: { ...dryEnv, ELASTAUTH_SECRET_KEY: placeholder } }).config.secret_key,
      config.secret_key,
    )
    assert.match(warnings.join(), /placeholder.*random.*Replicas.*--generateKey/s)
    assert.ok(!warnings.join().includes(config.secret_key!))
  }
})

test('secret_key is required, even for a dry run, and the fault names an empty variable', () => {
  assert.match(
    linesOf(() => load('elasticsearch: { dry_run: true }')).join(),
    /^- secret_key is required: .*--generateKey/,
  )
  const lines = linesOf(() => load('', { env: { ...dryEnv, ELASTAUTH_SECRET_KEY: '' } }))
  assert.match(lines.join(), /^ELASTAUTH_SECRET_KEY secret_key is empty/)
})

test('all faults are reported at once, in the order of files, lines, environment and flags', () => {
  const run = () =>
    load('cache:\n  redis_db: x\nelasticsearch:\n  hots: [a]\n', {
      env: { ELASTAUTH_CACHE_EXPIRATION: '1 hour', ELASTAUTH_LISTN: 'x' },
      flags: { log_levl: 'debug' },
    })
  const [first, ...rest] = linesOf(run)
  assert.match(first!, /^2 cache.redis_db expected a whole number/)
  const locations = rest.map((line) => line.split(' ')[0]!)
  assert.equal(locations[0], '4')
  assert.deepEqual(locations.slice(1, 4).sort(), ['--log_levl', 'ELASTAUTH_CACHE_EXPIRATION', 'ELASTAUTH_LISTN'])
  assert.deepEqual(locations.slice(4), ['-', '-'])
  assert.throws(run, (error) => {
    assert.ok(error instanceof ConfigError)
    const lines = error.message.split('\n')
    assert.equal(lines[0], 'the configuration has 7 faults')
    assert.equal(lines.length, 8)
    assert.match(error.message, /config\.yml:4 +elasticsearch\.hots +unknown key: did you mean `hosts`\?/)
    assert.match(
      error.message,
      /ELASTAUTH_CACHE_EXPIRATION +cache\.expiration +"1 hour" is not a duration: write e\.g\. 30m or 1h/,
    )
    return true
  })
})

test('an OTEL_ variable that elastauth does not support is a fault if traces are exported', () => {
  const env = { ...dryEnv, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }
  assert.match(
    linesOf(() => load(`${minimal}enableOtel: true\n`, { env })).join(),
    /^OTEL_EXPORTER_OTLP_PROTOCOL enableOtel names a protocol .*: write http\/protobuf/,
  )
  assert.equal(load(minimal, { env }).config.enableOtel, false)
})

test('the environment overrides the file, and a flag overrides both', () => {
  const yaml = `${minimal}listen: ":1"\nlog_level: debug\ncache: { type: none }\n`
  const env = { ELASTAUTH_LISTEN: ':2', ELASTAUTH_LOG_LEVEL: 'warning' }
  const { config } = load(yaml, { env, flags: { listen: ':3', 'elasticsearch.dry_run': 'true' } })
  assert.deepEqual([config.listen, config.log_level, config.cache.type], [[':3'], 'warn', 'none'])
  assert.equal(config.elasticsearch.dry_run, true)
})

test('lists are comma-separated and maps are JSON in environment variables', () => {
  const env = { ...dryEnv, ELASTAUTH_DEFAULT_ROLES: 'a, b', ELASTAUTH_GROUP_MAPPINGS: '{"x":["y"],"team.a":"z"}' }
  const { config } = load('', { env })
  assert.deepEqual(config.default_roles, ['a', 'b'])
  assert.deepEqual(config.group_mappings, { x: ['y'], 'team.a': ['z'] })
})

test('the variables that Kubernetes sets for a Service named elastauth are ignored', () => {
  const links = {
    ELASTAUTH_SERVICE_HOST: '10.0.0.1',
    ELASTAUTH_SERVICE_PORT_HTTP: '5000',
    ELASTAUTH_PORT: 'tcp://10.0.0.1:5000',
    ELASTAUTH_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    ELASTAUTH_PORT_5000_TCP_ADDR: '10.0.0.1',
    ELASTAUTH_PORT_5000_TCP_PORT: '5000',
    ELASTAUTH_PORT_5000_TCP_PROTO: 'tcp',
  }
  assert.deepEqual(
    faultsOf(() => load('', { env: { ...dryEnv, ...links } })),
    [],
  )
  assert.equal(faultsOf(() => load('', { env: { ...dryEnv, ELASTAUTH_PORT: '5000' } })).length, 1)
})

test('the variables of a Service named elastauth-redis are ignored, but keys and misspelled keys with such a value are not', () => {
  const links = { ELASTAUTH_REDIS_PORT: 'tcp://10.0.0.2:6379', ELASTAUTH_REDIS_PORT_6379_TCP: 'tcp://10.0.0.2:6379' }
  assert.ok(load('', { env: { ...dryEnv, ...links } }))
  for (const name of ['ELASTAUTH_CACHE_REDIS_HOST', 'ELASTAUTH_ELASTICSEARCH_HOSTS', 'ELASTAUTH_REDIS_HSOT']) {
    const lines = linesOf(() => load('', { env: { ...dryEnv, [name]: 'tcp://10.0.0.2:6379' } }))
    assert.equal(lines.length, 1, name)
    assert.match(lines[0]!, new RegExp(`^${name} `))
  }
})

test('an empty environment variable for a secret counts as not set, with a warning', () => {
  const { config, warnings } = load(minimal, { env: { ELASTAUTH_CACHE_REDIS_PASSWORD: '', ELASTAUTH_LISTEN: '' } })
  assert.equal(config.cache.redis_password, null)
  assert.deepEqual(warnings, ['ELASTAUTH_CACHE_REDIS_PASSWORD is empty: taken as not set'])
})

describe('an empty key that restricts access is a fault and does not mean the default', () => {
  for (const line of [
    'proxy_secret:',
    'proxy_secret: ""',
    'trusted_proxies:',
    'group_whitelist:',
    'enable_group_whitelist:',
  ]) {
    test(`"${line}" in YAML is a fault and does not mean the default`, () => {
      const lines = linesOf(() => load(`${minimal}${line}\n`))
      assert.match(
        lines.join('\n'),
        new RegExp(`^3 ${line.split(':')[0]} is empty, which would disable this protection: `),
      )
    })
  }
  for (const name of [
    'PROXY_SECRET',
    'PROXY_SECRET_FILE',
    'TRUSTED_PROXIES',
    'GROUP_WHITELIST',
    'ENABLE_GROUP_WHITELIST',
  ]) {
    test(`an empty ELASTAUTH_${name} in the environment is a fault and does not mean the default`, () => {
      const lines = linesOf(() => load(minimal, { env: { [`ELASTAUTH_${name}`]: '' } }))
      assert.match(
        lines.join('\n'),
        new RegExp(`^ELASTAUTH_${name} \\w+ is empty, which would disable this protection: `),
      )
    })
  }
})

test('a group whitelist that is not enabled, and a trusted network of all addresses, cause warnings', () => {
  const { warnings } = load(`${minimal}group_whitelist: [staff]\ntrusted_proxies: ["::/0"]\n`)
  assert.match(warnings.join('\n'), /group_whitelist is set but not used/)
  assert.match(
    warnings.join('\n'),
    /trusted_proxies has ::\/0, which covers a large part of the internet, and there is no proxy_secret/,
  )
})

test('any secret can be read from a file, without its final newline', () => {
  const { k, p } = writeFiles({ k: `${key}\n`, p: ' two blanks \r\n' })
  const env = {
    ELASTAUTH_SECRET_KEY_FILE: k,
    ELASTAUTH_ELASTICSEARCH_USERNAME: 'u',
    ELASTAUTH_ELASTICSEARCH_PASSWORD_FILE: p,
    ELASTAUTH_PREVIOUS_SECRET_KEYS_FILE: writeFiles({ o: `${otherKey}\n` }).o,
  }
  const { config, warnings } = load('', { env })
  assert.equal(config.secret_key, key)
  assert.equal(config.elasticsearch.password, ' two blanks ')
  assert.deepEqual(config.previous_secret_keys, [otherKey])
  assert.deepEqual(warnings, [])
})

test('a secret file that other users can write is a fault, and one that other users can read causes a warning', {
  skip: skipOnMount,
}, () => {
  const { k } = writeFiles({ k: key })
  const run = () => load('elasticsearch: { dry_run: true }', { env: { ELASTAUTH_SECRET_KEY_FILE: k } })
  chmodSync(k, 0o444)
  assert.match(run().warnings.join(), /read by every user/)
  for (const mode of [0o620, 0o602]) {
    chmodSync(k, mode)
    assert.match(linesOf(run).join(), /^ELASTAUTH_SECRET_KEY_FILE secret_key names a file that other users can write/)
  }
})

test('a secret file that is missing, empty, set together with the value, or for a key that is not a secret is a fault', () => {
  const { empty, k } = writeFiles({ empty: '\n', k: key })
  for (const env of [
    { ELASTAUTH_PROXY_SECRET_FILE: '/does/not/exist' },
    { ELASTAUTH_PROXY_SECRET_FILE: empty },
    { ELASTAUTH_SECRET_KEY_FILE: k },
    { ELASTAUTH_LISTEN_FILE: k },
  ]) {
    assert.equal(faultsOf(() => load('', { env: { ...dryEnv, ...env } })).length, 1, JSON.stringify(env))
  }
})

test('a secret as a flag is a fault that does not repeat its value', () => {
  const lines = linesOf(() =>
    load(minimal, { flags: { 'elasticsearch.password': 'hunter2', 'cache.exipration': '1h' } }),
  )
  assert.match(lines[0]!, /^--elasticsearch.password .*ELASTAUTH_ELASTICSEARCH_PASSWORD_FILE/)
  assert.match(lines[1]!, /did you mean `--cache.expiration`/)
  assert.doesNotMatch(lines.join(), /hunter2/)
})

test('no fault contains the value of a secret or the credentials of a URL', () => {
  const yaml =
    'secret_key: hunter2\nprevious_secret_keys: [hunter2]\nproxy_secret: hunter2\nelasticsearch:\n  hosts: ["http://u:hunter2@es", "http//u:hunter2@es"]\ncache:\n  redis_url: http://hunter2\noidc:\n  custom_headers: { a: "hunter2\\n" }\n'
  const faults = faultsOf(() => load(yaml))
  assert.equal(faults.length, 8)
  assert.doesNotMatch(JSON.stringify(faults), /hunter2/)
})

test('every legacy key loads, with a warning that names the current key', () => {
  const values: Record<string, string> = {
    elasticsearch_host: 'http://es:9200',
    elasticsearch_dry_run: 'true',
    redis_host: 'r:1',
    redis_db: '3',
    cache_type: 'redis',
    cache_expire: '2h',
  }
  for (const [legacyKey, currentKey] of legacyKeys) {
    const { warnings } = load(`secret_key: ${key}\n${legacyKey}: ${values[legacyKey] ?? 'x'}\n`, {
      flags: { 'elasticsearch.dry_run': 'true' },
      env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'u', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'p' },
    })
    assert.match(
      warnings.join(),
      new RegExp(`config.yml:2: ${legacyKey} is an old name: use ${currentKey.replace('.', '\\.')} instead`),
    )
  }
})

test('legacy keys in YAML and in the environment set their current keys', () => {
  const { config } = load(`${minimal}cache_expire: 2h\nelasticsearch_host: http://old:9200\n`, {
    env: { ELASTAUTH_REDIS_HOST: 'r:1' },
  })
  assert.equal(config.cache.expiration, 7_200_000)
  assert.deepEqual(config.elasticsearch.hosts, ['http://old:9200'])
  assert.equal(config.cache.redis_host, 'r:1')
  const { warnings } = load(minimal, { env: { ELASTAUTH_CACHE_EXPIRE: '1h' } })
  assert.deepEqual(warnings, ['ELASTAUTH_CACHE_EXPIRE: is an old name: use cache.expiration instead'])
})

test('a legacy key that contradicts its current key in the same source is a fault', () => {
  assert.match(
    linesOf(() => load(`${minimal}cache_expire: 2h\ncache: { expiration: 1h }\n`)).join(),
    /^3 cache_expire contradicts cache.expiration/,
  )
  assert.equal(load(`${minimal}cache_expire: 60m\ncache: { expiration: 1h }\n`).config.cache.expiration, 3_600_000)
})

const violations: { condition: string; yaml: string; expected: RegExp }[] = [
  {
    condition: 'a configuration without a service account',
    yaml: `secret_key: ${key}`,
    expected: /^- elasticsearch.username is required/,
  },
  {
    condition: 'a password without a username',
    yaml: `secret_key: ${key}\nelasticsearch: { password: x }`,
    expected: /elasticsearch.username is not set/,
  },
  {
    condition: 'a username without a password',
    yaml: `secret_key: ${key}\nelasticsearch: { username: x }`,
    expected: /elasticsearch.password is not set/,
  },
  {
    condition: 'an API key together with a username and password',
    yaml: `secret_key: ${key}\nelasticsearch: { username: x, password: y, api_key: z }`,
    expected: /^2 elasticsearch.api_key/,
  },
  {
    condition: 'the current secret_key in previous_secret_keys',
    yaml: `${minimal}previous_secret_keys: [${key}]`,
    expected: /^3 previous_secret_keys/,
  },
  {
    condition: 'an enabled group whitelist without groups',
    yaml: `${minimal}enable_group_whitelist: true`,
    expected: /group_whitelist is empty/,
  },
  {
    condition: 'a certificate without its key',
    yaml: `${minimal}proxy: { tls: { client_cert: ${clientCert} } }`,
    expected: /proxy.tls.client_key is not set/,
  },
  {
    condition: 'the static provider without a user',
    yaml: `${minimal}auth_provider: static`,
    expected: /static.username is required/,
  },
  {
    condition: 'the static provider on all interfaces',
    yaml: `${minimal}auth_provider: static\nstatic: { username: a }\nlisten: ":5000"`,
    expected: /^5 listen can be reached/,
  },
  {
    condition: 'one header for username and groups',
    yaml: `${minimal}headers: { username: X-A, groups: x-a }`,
    expected: /headers.groups names the same header as username/,
  },
  {
    condition: 'a legacy header key that contradicts the current one',
    yaml: `${minimal}headers: { username: X-A }\nauthelia: { header_username: X-B }`,
    expected: /^4 authelia.header_username contradicts/,
  },
  {
    condition: 'an identity header that is proxy_secret_header',
    yaml: `${minimal}headers: { name: X-Elastauth-Proxy-Secret }`,
    expected: /names the same header as proxy_secret_header/,
  },
  {
    condition: 'a service account with a colon, which Basic authentication cannot carry',
    yaml: `secret_key: ${key}\nelasticsearch: { username: "a:b", password: x }`,
    expected: /^2 elasticsearch.username "a:b" has a colon/,
  },
  {
    condition: 'a rotation pause as long as the expiration',
    yaml: `${minimal}cache: { expiration: 5s, rotation_pause: 5s }`,
    expected: /cache.rotation_pause is not shorter/,
  },
  {
    condition: 'user_retention.disable_after shorter than ten minutes',
    yaml: `${minimal}user_retention: { disable_after: 9m }`,
    expected: /user_retention.disable_after is shorter than 10m/,
  },
  {
    condition: 'user_retention.delete_after shorter than a day',
    yaml: `${minimal}session: { lifetime: 1h }\nuser_retention: { delete_after: 23h }`,
    expected: /user_retention.delete_after is shorter than 24h/,
  },
  {
    condition: 'user_retention.delete_after as long as disable_after',
    yaml: `${minimal}user_retention: { disable_after: 720h, delete_after: 720h }`,
    expected: /user_retention.delete_after is not longer than user_retention.disable_after/,
  },
  {
    condition: 'user_retention.delete_after as long as session.lifetime',
    yaml: `${minimal}session: { lifetime: 48h }\nuser_retention: { delete_after: 48h }`,
    expected: /user_retention.delete_after is not longer than session.lifetime: .* write more than 48h/,
  },
  {
    condition: 'user_retention.invalidate_api_keys without an age',
    yaml: `${minimal}user_retention: { invalidate_api_keys: true }`,
    expected: /user_retention.invalidate_api_keys has no effect/,
  },
  {
    condition: 'proxy mode without an upstream',
    yaml: `${minimal}proxy: { enabled: true }`,
    expected: /proxy.elasticsearch_url is required/,
  },
  {
    condition: 'Redis Sentinels without a master name',
    yaml: `${minimal}cache: { redis_sentinels: ["a:1"] }`,
    expected: /redis_sentinel_master is required/,
  },
  {
    condition: 'a Redis URL together with Redis Cluster nodes',
    yaml: `${minimal}cache: { redis_url: redis://a, redis_cluster: ["a:1"] }`,
    expected: /cache.redis_cluster is set together with cache.redis_url/,
  },
  {
    condition: 'an expiration under a second',
    yaml: `${minimal}cache: { expiration: 999ms }`,
    expected: /cache.expiration is shorter than 1s/,
  },
  {
    condition: 'an expiration over 30 days',
    yaml: `${minimal}cache: { expiration: 721h }`,
    expected: /cache.expiration is longer than 720h/,
  },
]

for (const { condition, yaml, expected } of violations) {
  test(`rejects ${condition}`, () => {
    const lines = linesOf(() => load(yaml))
    assert.equal(lines.length, 1, lines.join('\n'))
    assert.match(lines[0]!, expected)
  })
}

test('rejects timer durations longer than the 2^31 ms that a timer supports', () => {
  const timerKeys = [
    ...['shutdown_timeout', 'elasticsearch.timeout', 'cache.rotation_pause', 'cache.redis_timeout'],
    ...['proxy.timeout', 'proxy.idle_conn_timeout'],
  ]
  for (const name of timerKeys)
    assert.match(linesOf(() => load(minimal, { flags: { [name]: '597h' } })).join(), /is longer than/, name)
})

test('accepts an API key alone, and static.allow_remote with a warning', () => {
  assert.equal(load(`secret_key: ${key}\nelasticsearch: { api_key: x }`).config.elasticsearch.api_key, 'x')
  const yaml = `${minimal}auth_provider: static\nstatic: { username: a, allow_remote: true }\nlisten: ":5000"`
  assert.match(load(yaml).warnings.join(), /static.allow_remote/)
})

test('warns about settings without effect and about risky settings', () => {
  for (const [yaml, expected] of [
    ['cache: { type: file, path: /var/cache/elastauth }', /treated as "memory"/],
    ['trusted_proxies: [all]', /can impersonate any user/],
    ['elasticsearch: { dry_run: true }', /nothing is written.*will not work/],
  ] as const) {
    const { warnings } = load(`secret_key: ${key}\n${yaml}`, { env: accountEnv })
    assert.match(warnings.join(), expected)
  }
})

test('cache.type file is loaded as cache.type memory', () => {
  assert.equal(load(`${minimal}cache: { type: file }`).config.cache.type, 'memory')
})

test('the configuration is deeply frozen', () => {
  const { config } = load(`${minimal}group_mappings: { a: [b] }`)
  for (const part of [
    config,
    config.elasticsearch,
    config.elasticsearch.hosts,
    config.group_mappings,
    config.group_mappings.a,
  ]) {
    assert.ok(Object.isFrozen(part))
  }
})

test('loading a second configuration does not keep settings of the first', () => {
  assert.equal(load(`${minimal}cache: { type: none }`).config.cache.type, 'none')
  assert.equal(load(minimal).config.cache.type, 'memory')
})

test('the redacted configuration contains no secret, and shows which secrets are set', () => {
  const { config } = load(
    `secret_key: ${key}\nelasticsearch: { username: e, password: hunter2 }\nprevious_secret_keys: [${otherKey}]\nproxy_secret: hunter2hunter2hunter2\ncache: { redis_url: "redis://u:hunter2@r" }\noidc: { custom_headers: { A: hunter2 } }\nproxy: { routes: [{ upstreams: [http://a], headers: { Authorization: hunter2 } }] }\n`,
  )
  const redacted = redactConfig(config) as typeof config
  assert.doesNotMatch(JSON.stringify(redacted), new RegExp(`hunter2|${key}|${otherKey}`))
  assert.equal(redacted.secret_key, '********')
  assert.equal(redacted.elasticsearch.password, '********')
  assert.equal(redacted.elasticsearch.api_key, null)
  assert.equal(redacted.elasticsearch.username, 'e')
  assert.deepEqual(redacted.elasticsearch.hosts, config.elasticsearch.hosts)
})

test('the redacted configuration masks the password in any URL', () => {
  const { config } = load(minimal)
  const configWithPassword = {
    ...config,
    elasticsearch: { ...config.elasticsearch, hosts: ['http://u:hunter2@es:9200'] },
  }
  assert.deepEqual((redactConfig(configWithPassword) as typeof config).elasticsearch.hosts, ['http://********@es:9200'])
})

test('a __proto__ key in the environment or a flag is a fault, and pollutes no prototype', () => {
  const env = { ...dryEnv, ELASTAUTH_GROUP_MAPPINGS: '{"__proto__":["superuser"]}' }
  assert.equal(faultsOf(() => load('', { env })).length, 1)
  assert.equal(
    faultsOf(() => load(minimal, { flags: JSON.parse('{"__proto__":"x","constructor.prototype.y":"z"}') })).length,
    2,
  )
  assert.equal(({} as Record<string, unknown>).y, undefined)
})

test("rejects the proxy_secret of the documentation's pages, which everyone can read there", () => {
  const lines = linesOf(() => load(`${minimal}proxy_secret: change-this-secret\n`))
  assert.deepEqual(lines.length, 1)
  assert.match(
    lines[0]!,
    /^3 proxy_secret is the placeholder of the documentation: generate one with `openssl rand -hex 32`/,
  )
})
