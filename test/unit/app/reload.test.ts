import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../config/load.ts'
import type { Config } from '../../../config/schema.ts'
import { planReload } from '../../../src/app/options/reload-plan.ts'
import { createReload } from '../../../src/app/reload.ts'

const load = (env: Record<string, string>) =>
  loadConfig({
    file: null,
    env: {
      ELASTAUTH_SECRET_KEY: '5eed0f7e57'.padEnd(64, '0123456789abcdef'),
      ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true',
      ...env,
    },
    flags: {},
  }).config

test('a reload applies new roles and trusted proxies', () => {
  const { config, ignored } = planReload(
    load({}),
    load({ ELASTAUTH_DEFAULT_ROLES: 'viewer', ELASTAUTH_TRUSTED_PROXIES: '10.0.0.0/8' }),
  )
  assert.deepEqual(config.default_roles, ['viewer'])
  assert.deepEqual(config.trusted_proxies, ['10.0.0.0/8'])
  assert.deepEqual(ignored, [])
})

test('a reload applies forward_auth.path_prefix and profile, but not forward_auth.listen, which needs a restart', () => {
  const { config, ignored } = planReload(
    load({ ELASTAUTH_FORWARD_AUTH_LISTEN: '127.0.0.1:5001' }),
    load({
      ELASTAUTH_FORWARD_AUTH_LISTEN: '127.0.0.1:5002',
      ELASTAUTH_FORWARD_AUTH_PATH_PREFIX: '/authorize',
      ELASTAUTH_FORWARD_AUTH_PROFILE: 'nginx',
    }),
  )
  const expected = { profile: 'nginx', path_prefix: '/authorize', listen: ['127.0.0.1:5001'] }
  assert.deepEqual(config.forward_auth, expected)
  assert.deepEqual(ignored, ['forward_auth.listen'])
})

test('a reload does not change a listener that is open to the network to the static provider', () => {
  const running = load({ ELASTAUTH_LISTEN: '0.0.0.0:5000' })
  const next = load({
    ELASTAUTH_AUTH_PROVIDER: 'static',
    ELASTAUTH_STATIC_USERNAME: 'dev',
    ELASTAUTH_LISTEN: '127.0.0.1:5000',
  })
  const { config, ignored } = planReload(running, next)
  assert.deepEqual([config.auth_provider, config.listen, config.static.username], ['authelia', ['0.0.0.0:5000'], null])
  assert.deepEqual(ignored, ['auth_provider', 'listen', 'static'])
})

test('a reload does not change the identity providers and their claims, and reports the ignored keys', () => {
  const oidc = {
    ELASTAUTH_OIDC_ISSUER: 'https://id.example',
    ELASTAUTH_OIDC_CLIENT_ID: 'kibana',
    ELASTAUTH_OIDC_LOGIN: 'false',
  }
  const running = load({ ELASTAUTH_AUTH_PROVIDERS: 'oidc', ...oidc })
  const next = load({
    ELASTAUTH_AUTH_PROVIDERS: 'oidc,authelia',
    ...oidc,
    ELASTAUTH_OIDC_CLAIM_MAPPINGS_USERNAME: 'email',
  })
  const { config, ignored } = planReload(running, next)
  assert.deepEqual(config.auth_providers, ['oidc'])
  assert.equal(config.oidc.claim_mappings.username, 'preferred_username')
  assert.deepEqual(ignored, ['auth_providers', 'oidc'])
})

const guarded = {
  ELASTAUTH_PROXY_SECRET: 'a-shared-secret-of-32-characters',
  ELASTAUTH_TRUSTED_PROXIES: '10.0.0.0/8',
  ELASTAUTH_ENABLE_GROUP_WHITELIST: 'true',
  ELASTAUTH_GROUP_WHITELIST: 'staff',
  ELASTAUTH_GROUP_MAPPINGS: '{"staff":["viewer"]}',
}
const leaving: [key: string, ...variables: (keyof typeof guarded)[]][] = [
  ['proxy_secret', 'ELASTAUTH_PROXY_SECRET'],
  ['trusted_proxies', 'ELASTAUTH_TRUSTED_PROXIES'],
  ['enable_group_whitelist', 'ELASTAUTH_ENABLE_GROUP_WHITELIST', 'ELASTAUTH_GROUP_WHITELIST'],
  ['group_mappings', 'ELASTAUTH_GROUP_MAPPINGS'],
]
for (const [key, ...variables] of leaving) {
  test(`a reload without ${key}, as from an incomplete file, is rejected`, () => {
    const next = Object.fromEntries(
      Object.entries(guarded).filter(([name]) => !variables.includes(name as keyof typeof guarded)),
    )
    assert.throws(
      () => planReload(load(guarded), load(next)),
      new RegExp(`^Error: ${key} would go back to the default`),
    )
  })
}

test('a reload may change and narrow a setting that restricts access', () => {
  const next = {
    ...guarded,
    ELASTAUTH_TRUSTED_PROXIES: 'none',
    ELASTAUTH_PROXY_SECRET: 'another-secret-of-32-characters!',
  }
  assert.deepEqual(planReload(load(guarded), load(next)).config.trusted_proxies, ['none'])
})

test('a reload prepares every part with the next configuration before it commits the first one', () => {
  const steps: string[] = []
  const part = (name: string) => (config: Config) => {
    steps.push(`prepare ${name} for ${config.default_roles}`)
    return () => void steps.push(`commit ${name}`)
  }
  const reload = createReload(load({}), [part('a'), undefined, part('b')])
  const next = load({ ELASTAUTH_DEFAULT_ROLES: 'viewer', ELASTAUTH_LOG_FORMAT: 'text' })
  assert.deepEqual(reload(next), { changed: ['default_roles'], ignored: ['log_format'] })
  assert.deepEqual(steps, ['prepare a for viewer', 'prepare b for viewer', 'commit a', 'commit b'])
})

for (const failing of [0, 1, 2]) {
  test(`a reload commits no part if part ${failing + 1} of 3 cannot be prepared, and the next reload commits all`, () => {
    const committed: number[] = []
    let isBroken = true
    const parts = [0, 1, 2].map((part) => () => {
      if (part === failing && isBroken) throw new Error(`part ${part} is broken`)
      return () => void committed.push(part)
    })
    const reload = createReload(load({}), parts)
    assert.throws(() => reload(load({})), new RegExp(`^Error: part ${failing} is broken$`))
    assert.deepEqual(committed, [])
    isBroken = false
    reload(load({}))
    assert.deepEqual(committed, [0, 1, 2])
  })
}

test('after a failed reload, the next one is compared with the configuration that is still in effect', () => {
  let isBroken = true
  const reload = createReload(load({}), [
    () => {
      if (isBroken) throw new Error('broken')
      return () => {}
    },
  ])
  const withMappings = load({ ELASTAUTH_GROUP_MAPPINGS: '{"staff":["viewer"]}' })
  assert.throws(() => reload(withMappings), /broken/)
  isBroken = false
  assert.deepEqual(reload(load({})), { changed: [], ignored: [] }) // the failed reload's mappings are not lost, because they were never in effect
  assert.deepEqual(reload(withMappings), { changed: ['group_mappings'], ignored: [] })
  assert.throws(() => reload(load({})), /group_mappings would go back to the default/)
})
