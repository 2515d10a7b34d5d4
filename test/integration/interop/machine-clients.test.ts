import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { useElasticsearch } from '../../support/elasticsearch/use-elasticsearch.ts'
import { sendRequest } from './client-request.ts'
import { pages, readConfiguration } from './documented-configuration.ts'
import { startElastauth } from './elastauth.ts'
import { startFakeAuthelia } from './fake-authelia.ts'
import { startFakeKibana } from './fake-kibana.ts'
import { createKeyOwner } from './key-owner.ts'
import { createCaddy, createHaproxy, createNginx } from './proxies.ts'
import { type Running, startRealProxy } from './real-proxy.ts'
import { sessions } from './sessions.ts'
import { skipWithout } from './skip-without.ts'

const elasticsearch = await useElasticsearch()
const username = `interop-machine-${process.pid}`
const page = readFileSync(join(pages, '../machine-clients.md'), 'utf8')

/** The blocks of a section of docs/machine-clients.md. */
function blocksOf(section: string): string[] {
  const [, text = ''] = page.split(`\n### ${section}\n`)
  return [...text.split(/^##/m)[0]!.matchAll(/^```\w+\n(.*?)^```$/gms)].map(([, block]) => block!)
}

/** Throws unless the text occurs exactly once. */
function replaceOnce(text: string, from: string, to: string): string {
  const [before, behind, ...rest] = text.split(from)
  if (behind === undefined || rest.length > 0) throw new Error(`${JSON.stringify(from)} does not occur once`)
  return before + to + behind
}

/** The configurations of the pages in docs/deployment, changed as docs/machine-clients.md says. */
const proxies = [
  createNginx(withNginxLines()),
  createCaddy(
    replaceOnce(readConfiguration('caddy.md', 'caddyfile'), 'forward_auth authelia:9091 {\n', blocksOf('Caddy')[0]!),
  ),
  createHaproxy(undefined, withHaproxyLines()),
]

function withNginxLines(): string {
  const [map, condition] = blocksOf('nginx')
  const configuration = readConfiguration('nginx.md', 'nginx').replace('\nserver {', `\n${map}\nserver {`)
  const location = 'location = /internal/authelia {\n    internal;\n'
  return replaceOnce(configuration, location, location + condition)
}

function withHaproxyLines(): string {
  const lines = readConfiguration('haproxy.md', 'haproxy').split('\n')
  const first = lines.findIndex((line) => line.includes('lua.forward-auth'))
  assert.match(lines[first + 1]!, /http-request deny/)
  return lines.toSpliced(first, 2, ...blocksOf('HAProxy')[0]!.trimEnd().split('\n')).join('\n')
}

for (const realProxy of proxies) {
  const skip = skipWithout(realProxy) || elasticsearch.skip
  describe(`behind ${realProxy.name} that asks Authelia first, with the lines of docs/machine-clients.md`, {
    skip,
  }, () => {
    const cleanup = new AsyncDisposableStack()
    let proxy: Running
    let apiKey: string

    before(async () => {
      const { node } = elasticsearch
      apiKey = await createKeyOwner(node, username, cleanup)
      const proxySecret = 'shared-by-proxy-and-elastauth'
      const flags = { auth_providers: 'elasticsearch,authelia' }
      const elastauth = await startElastauth(realProxy, node, proxySecret, cleanup, flags)
      const authelia = await startFakeAuthelia(sessions, cleanup)
      const { address: kibana } = await startFakeKibana(node, cleanup)
      proxy = await startRealProxy(realProxy, { authelia, elastauth, kibana, proxySecret }, cleanup)
    })
    after(() => cleanup.disposeAsync())

    test('a program with an API key reaches the application as the owner of the key, in any case and with a body', async () => {
      for (const scheme of ['ApiKey', 'apikey']) {
        const lines = [`Authorization: ${scheme} ${apiKey}`]
        for (const request of [{ lines }, { lines, method: 'POST', body: 1000 }]) {
          const { status, user, bytes } = await sendRequest(proxy, request)
          assert.deepEqual([status, user, bytes], [200, username, request.method === 'POST' ? 1000 : 0])
        }
      }
    })

    test('an API key with forged identity headers, or with the session of a person, is the owner of the key', async () => {
      const lines = [`Authorization: ApiKey ${apiKey}`, 'Remote-User: interop-bob', 'Remote-Groups: admins']
      for (const request of [{ lines }, { lines, session: 'bob' }]) {
        const { status, user, headers } = await sendRequest(proxy, request)
        assert.deepEqual([status, user], [200, username])
        assert.deepEqual(
          headers!.filter((name) => name.startsWith('remote')),
          [],
        )
      }
    })

    for (const [what, authorization] of [
      ['an invented API key', `ApiKey ${btoa('invented:key')}`],
      ['a malformed API key', 'ApiKey ,'],
      ['an invented token of a service account', `Bearer AAEAAW${'x'.repeat(40)}`],
    ]) {
      test(`${what} with forged identity headers gets 401, although it skips Authelia`, async () => {
        const lines = [`Authorization: ${authorization}`, 'Remote-User: interop-bob', 'Remote-Groups: admins']
        const { status, user } = await sendRequest(proxy, { lines })
        assert.deepEqual([status, user], [401, undefined])
      })
    }

    for (const authorization of ['Bearer eyJ.e30.x', 'Basic eDp5', 'ApiKeys x', 'Negotiate ApiKey x']) {
      test(`a request with "${authorization}" does not skip Authelia`, async () => {
        const lines = [`Authorization: ${authorization}`, 'Accept: text/html']
        assert.equal((await sendRequest(proxy, { lines })).status, 302) // only Authelia redirects
      })
    }

    test('a person with a session at Authelia is authenticated as before, and an anonymous request gets 401', async () => {
      const { status, user } = await sendRequest(proxy, { session: 'bob' })
      assert.deepEqual([status, user], [200, 'interop-bob'])
      assert.equal((await sendRequest(proxy, {})).status, 401)
    })
  })
}
