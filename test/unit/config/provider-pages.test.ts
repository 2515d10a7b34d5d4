import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pages } from '../../support/documentation.ts'
import { testKey } from '../../support/gateway.ts'
import { load } from './fixture.ts'

/** Keys that the pages set in the environment. */
const env = {
  ELASTAUTH_SECRET_KEY: testKey,
  ELASTAUTH_ELASTICSEARCH_API_KEY: 'an API key',
  ELASTAUTH_OIDC_CLIENT_SECRET: 'a client secret',
  ELASTAUTH_FORWARD_AUTH_LISTEN: '127.0.0.1:5001', // oidc.md has it in a block of its own
}

describe('the YAML examples for OpenID providers', () => {
  for (const { path, blocks: all } of pages.filter(({ path }) => /^docs\/(?:oidc|providers\/[^/]+)\.md$/.test(path))) {
    // The configuration of Traefik is YAML too
    const blocks = all.filter(({ language, text }) => language === 'yaml' && /^auth_/m.test(text))
    for (const [index, { text }] of blocks.entries()) {
      test(`${path}: block ${index + 1} is a valid configuration without warnings that grants a role`, () => {
        const { config, warnings } = load(text, { env })
        assert.deepEqual(warnings, [])
        assert.ok(config.default_roles.length > 0 || Object.keys(config.group_mappings).length > 0)
      })
    }
    test(`${path} has at least one configuration block`, () => assert.notEqual(blocks.length, 0))
  }
})
