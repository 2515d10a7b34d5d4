import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../config/load.ts'
import { planReload } from '../../src/reload.ts'

const load = (env: Record<string, string>) =>
  loadConfig({
    env: {
      ELASTAUTH_SECRET_KEY: '5eed0f7e57'.padEnd(64, '0123456789abcdef'),
      ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true',
      ...env,
    },
    flags: {},
  }).config

test('roles and trust are taken over', () => {
  const { config, ignored } = planReload(
    load({}),
    load({ ELASTAUTH_DEFAULT_ROLES: 'viewer', ELASTAUTH_TRUSTED_PROXIES: '10.0.0.0/8' }),
  )
  assert.deepEqual(config.default_roles, ['viewer'])
  assert.deepEqual(config.trusted_proxies, ['10.0.0.0/8'])
  assert.deepEqual(ignored, [])
})

test('a path prefix and a profile are taken over, a listener for sub-requests needs a restart', () => {
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

test('a listener open to the network does not become static by a reload', () => {
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

test('who says who the user is stays until a restart, and the log says that it did', () => {
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
