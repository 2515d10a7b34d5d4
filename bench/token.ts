/**
 * A known token beside a known header identity, both of elastauth, one processor each, in turn, in one run. Linux, with
 * wrk and taskset. `node bench/token.ts [rounds] [seconds]`
 */

import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway } from '../test/support/gateway.ts'
import { startOidcProvider } from '../test/support/oidc/provider.ts'
import { identityHeaders, load, type Measured, pin, report } from './load.ts'

const rounds = Number(process.argv[2] ?? 9)
const seconds = Number(process.argv[3] ?? 3)

const standIn = createFakeElasticsearch()
const elasticsearch = await standIn.listen()
const idp = await startOidcProvider()
const token = await idp.sign({
  sub: 'testuser',
  preferred_username: 'testuser',
  exp: Math.floor(Date.now() / 1000) + 36_000,
})
const gateway = (flags: Record<string, string>) =>
  startGateway({
    flags: { log_level: 'warn', default_roles: 'kibana_user', 'elasticsearch.hosts': elasticsearch, ...flags },
    env: { ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  })
const oidc = { 'oidc.issuer': idp.issuer, 'oidc.client_id': idp.clientId, 'oidc.login': 'false' }
const byHeader = await gateway({ listen: '127.0.0.1:6104' })
const byToken = await gateway({ listen: '127.0.0.1:6105', auth_provider: 'oidc', ...oidc })
const byChain = await gateway({ listen: '127.0.0.1:6106', auth_providers: 'oidc,authelia', ...oidc })

const bearer = [`Authorization: Bearer ${token}`]
const candidates = [
  { name: 'identity headers', gateway: byHeader, headers: identityHeaders },
  { name: `a token of ${token.length} characters`, gateway: byToken, headers: bearer },
  { name: 'a token in a cookie', gateway: byToken, headers: [`Cookie: sid=x; access_token=${token}`] },
  { name: 'headers, oidc asked before', gateway: byChain, headers: identityHeaders },
]
const results = new Map<string, Measured[]>(candidates.map(({ name }) => [name, []]))
for (const { process } of [byHeader, byToken, byChain]) pin(process.pid!)
for (const { gateway, headers } of candidates) await load(gateway.url, gateway.process.pid!, 2, headers) // warm-up
const asked = idp.requests.length
for (let round = 0; round < rounds; round++) {
  for (const { name, gateway, headers } of candidates)
    results.get(name)!.push(await load(gateway.url, gateway.process.pid!, seconds, headers))
}
const askedMeanwhile = idp.requests.length - asked
await Promise.all([byHeader, byToken, byChain].map((gateway) => gateway.stop()))
await standIn.close()
await idp.stop()

console.log(`${rounds} rounds of ${seconds} s, 32 connections; median (least–most); ratios to the first`)
report(results)
console.log(`calls to the provider during all that: ${askedMeanwhile}`)
process.exit(0)
