import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createPickUpstream, createUpstream, type Upstream } from '../../../../src/proxy/routing/upstreams.ts'
import { createCertificateAuthority } from '../../../support/elasticsearch/certificates.ts'

const upstreams: Upstream[] = []
after(() => Promise.all(upstreams.map((upstream) => upstream.close())))

function open(url: string, tls: Partial<Parameters<typeof createUpstream>[1]> = {}): Upstream {
  const options = { timeoutMs: 1000, idleTimeoutMs: 1000, maxIdleConnections: 10 }
  const upstream = createUpstream(new URL(url), { insecureSkipVerify: false, ...tls }, options)
  upstreams.push(upstream)
  return upstream
}

describe('pickUpstream', () => {
  const [a, b, c] = ['http://a', 'http://b', 'http://c'].map((url) => open(url)) as [Upstream, Upstream, Upstream]

  test('pickUpstream alternates between upstreams with the same number of requests (round-robin)', () => {
    const pick = createPickUpstream()
    const picked = Array.from({ length: 6 }, () => pick([a, b, c], new Set()))
    for (const upstream of [a, b, c]) assert.equal(picked.filter((one) => one === upstream).length, 2)
  })

  test('pickUpstream returns the upstream with the fewest requests in flight', () => {
    const releases = [a.trackRequest(), a.trackRequest(), b.trackRequest()]
    const pick = createPickUpstream()
    for (let i = 0; i < 3; i++) assert.equal(pick([a, b, c], new Set()), c)
    releases.push(c.trackRequest(), c.trackRequest())
    for (let i = 0; i < 3; i++) assert.equal(pick([a, b, c], new Set()), b)
    for (const release of releases) release()
  })

  test('pickUpstream returns an unhealthy upstream only if there is no other', () => {
    const release = a.trackRequest()
    b.setHealthy(false)
    const pick = createPickUpstream()
    for (let i = 0; i < 3; i++) assert.equal(pick([a, b], new Set()), a)
    assert.equal(pick([a, b], new Set([a])), b)
    b.setHealthy(true)
    release()
  })

  test('pickUpstream returns no upstream that was tried, and undefined if all were', () => {
    const pick = createPickUpstream()
    assert.equal(pick([a, b], new Set([a])), b)
    assert.equal(pick([a, b], new Set([a, b])), undefined)
    assert.equal(pick([a], new Set()), a)
    assert.equal(pick([a], new Set([a])), undefined)
  })
})

test('counts a request as in flight until it is released, and releasing it is idempotent', () => {
  const upstream = open('http://a')
  const [releaseFirst, releaseSecond] = [upstream.trackRequest(), upstream.trackRequest()]
  releaseFirst()
  releaseFirst()
  assert.equal(upstream.inFlight(), 1)
  releaseSecond()
  assert.equal(upstream.inFlight(), 0)
})

test("setHealthy returns true only if the upstream's health changes", () => {
  const upstream = open('http://a')
  assert.deepEqual(
    [true, false, false, true].map((isHealthy) => upstream.setHealthy(isHealthy)),
    [false, true, false, true],
  )
})

describe('the TLS options of an upstream', () => {
  const authority = createCertificateAuthority()
  const [own, another] = [authority.issue('own'), authority.issue('another')]

  test('uses the host of the URL or the configured name as TLS server name, but no IP address', () => {
    const nameOf = (url: string, serverName?: string) => open(url, { serverName }).tls()?.servername
    assert.equal(nameOf('https://es.example.com:9200'), 'es.example.com')
    assert.equal(nameOf('https://127.0.0.1'), '')
    assert.equal(nameOf('https://[::1]:9200'), '')
    assert.equal(nameOf('https://127.0.0.1', 'es.internal'), 'es.internal')
    assert.equal(open('http://es').tls(), undefined)
  })

  test('changes the TLS options of an upstream only when a renewal is applied, and only if a certificate differs', () => {
    const first = { insecureSkipVerify: false, ca: authority.cert, cert: own.cert, key: own.key }
    const upstream = open('https://es', first)
    const before = upstream.tls()
    upstream.prepareRenewal({ ...first })()
    assert.equal(upstream.tls(), before)
    const renew = upstream.prepareRenewal({ ...first, cert: another.cert, key: another.key })
    assert.equal(upstream.tls(), before)
    renew()
    assert.notEqual(upstream.tls(), before)
  })

  test('keeps the TLS options of an upstream if a renewal fails because of an invalid certificate', () => {
    const upstream = open('https://es', { cert: own.cert, key: own.key })
    const before = upstream.tls()
    assert.throws(() => upstream.prepareRenewal({ insecureSkipVerify: false, cert: own.cert, key: another.key }))
    assert.throws(() => open('https://es', { cert: 'none', key: own.key }))
    assert.equal(upstream.tls(), before)
  })
})
