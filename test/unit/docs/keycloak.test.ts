import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { pages } from '../../support/documentation.ts'

const { text: page, blocks } = pages.find(({ path }) => path === 'docs/providers/keycloak.md')!
const folder = join(import.meta.dirname, '../../../examples/keycloak-proxy')
const realm = JSON.parse(readFileSync(join(folder, 'realm.json'), 'utf8'))
const [client] = realm.clients
const elastauth = parse(readFileSync(join(folder, 'elastauth.yml'), 'utf8'))

test('the client in the realm of examples/keycloak-proxy has the settings that docs/providers/keycloak.md describes', () => {
  assert.match(page, /\*Client authentication\* on, \*Standard flow\* on, everything else off\./)
  assert.equal(client.publicClient, false)
  const flows = Object.entries(client).filter(([name]) => /FlowEnabled|GrantsEnabled|AccountsEnabled/.test(name))
  assert.deepEqual(
    flows.filter(([, isOn]) => isOn === true).map(([name]) => name),
    ['standardFlowEnabled'],
  )
  assert.equal(flows.length, 4)
  const pathOf = (address: string) => new URL(address).pathname
  const { attributes } = client
  assert.deepEqual(client.redirectUris.map(pathOf), [pathOf(settingOf('Valid redirect URIs'))])
  assert.equal(pathOf(attributes['post.logout.redirect.uris']), pathOf(settingOf('Valid post logout redirect URIs')))
  assert.equal(pathOf(attributes['backchannel.logout.url']), pathOf(settingOf('Backchannel logout URL')))
  assert.match(page, /\*Backchannel logout URL\*: .*, \*session required\* on\./)
  assert.equal(attributes['backchannel.logout.session.required'], 'true')
  assert.equal(attributes['pkce.code.challenge.method'], settingOf('Advanced → Proof Key for Code Exchange'))
})

test('the mapper in the realm of examples/keycloak-proxy adds groups to the ID token as docs/providers/keycloak.md describes', () => {
  assert.match(
    page,
    /Group Membership\*, token\s+claim name `groups`, \*Add to ID token\* on, \*Full group path\* on\./,
  )
  const [{ protocolMapper, config }] = client.protocolMappers
  assert.equal(protocolMapper, 'oidc-group-membership-mapper')
  assert.deepEqual([config['claim.name'], config['id.token.claim'], config['full.path']], ['groups', 'true', 'true'])
  const groups = realm.groups.map(({ name }: { name: string }) => name)
  assert.deepEqual(Object.keys(elastauth.group_mappings), groups)
  for (const user of realm.users) assert.ok(user.groups.every((group: string) => groups.includes(group)))
})

test('elastauth in examples/keycloak-proxy has the scopes and the prefix of groups of docs/providers/keycloak.md, and users cannot change their username', () => {
  const documented = parse(blocks.find(({ language }) => language === 'yaml')!.text)
  assert.deepEqual(elastauth.oidc.scopes, documented.oidc.scopes)
  assert.equal(elastauth.oidc.strip_group_prefix, documented.oidc.strip_group_prefix)
  assert.equal(realm.editUsernameAllowed, false)
})

/** The value that the page gives for a setting, as code. */
function settingOf(setting: string): string {
  const [, value] = new RegExp(`\\*${setting}\\*: \`([^\`]+)\``).exec(page) ?? []
  assert.ok(value, setting)
  return value
}
