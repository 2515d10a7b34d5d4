/**
 * Compares a cached token with a cached header identity, both with elastauth on one processor, by turns in one run. Linux, with
 * wrk and taskset. `node bench/token.ts [rounds] [seconds]`
 */

import { createFakeElasticsearch } from '../test/support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGatewayFor } from '../test/support/gateway.ts'
import { startOidcProvider } from '../test/support/oidc/provider.ts'
import { identityHeaders, load, type Measurement, pin, report } from './load.ts'

const rounds = Number(process.argv[2] ?? 9)
const seconds = Number(process.argv[3] ?? 3)

const fakeElasticsearch = createFakeElasticsearch()
const node = { url: await fakeElasticsearch.listen(), username: 'elastic', password: 'changeme' }
const idp = await startOidcProvider()
const token = await idp.sign({
  sub: 'testuser',
  preferred_username: 'testuser',
  exp: Math.floor(Date.now() / 1000) + 36_000,
})
const gateway = (flags: Record<string, string>) => startGatewayFor(node, { flags: { log_level: 'warn', ...flags } })
const oidc = { 'oidc.issuer': idp.issuer, 'oidc.client_id': idp.clientId, 'oidc.login': 'false' }
const byHeader = await gateway({ listen: '127.0.0.1:6104' })
const byToken = await gateway({ listen: '127.0.0.1:6105', auth_provider: 'oidc', ...oidc })
const byChain = await gateway({ listen: '127.0.0.1:6106', auth_providers: 'oidc,authelia', ...oidc })

const bearer = [`Authorization: Bearer ${token}`]
const candidates = [
  { name: 'identity headers', gateway: byHeader, headers: identityHeaders },
  { name: `a token of ${token.length} characters`, gateway: byToken, headers: bearer },
  { name: 'a token in a cookie', gateway: byToken, headers: [`Cookie: sid=x; access_token=${token}`] },
  { name: 'headers, after oidc in a chain', gateway: byChain, headers: identityHeaders },
]
const results = new Map<string, Measurement[]>(candidates.map(({ name }) => [name, []]))
for (const { process } of [byHeader, byToken, byChain]) pin(process.pid!)
for (const { gateway, headers } of candidates) await load(gateway.url, gateway.process.pid!, 2, headers) // warm-up
const requestsBefore = idp.requests.length
for (let round = 0; round < rounds; round++) {
  for (const { name, gateway, headers } of candidates)
    results.get(name)!.push(await load(gateway.url, gateway.process.pid!, seconds, headers))
}
const providerRequests = idp.requests.length - requestsBefore
await Promise.all([byHeader, byToken, byChain].map((gateway) => gateway.stop()))
await fakeElasticsearch.close()
await idp.stop()

console.log(`${rounds} rounds of ${seconds} s, 32 connections; median (min–max); ratios to the first`)
report(results)
console.log(`requests to the provider meanwhile: ${providerRequests}`)
process.exit(0)
