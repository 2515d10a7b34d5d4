import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { createPickUpstream, createUpstream, type Upstream } from '../../../../src/proxy/routing/upstreams.ts'
import { createCertificateAuthority } from '../../../support/elasticsearch/certificates.ts'

const opened: Upstream[] = []
after(() => Promise.all(opened.map((upstream) => upstream.close())))

function open(url: string, tls: Partial<Parameters<typeof createUpstream>[1]> = {}): Upstream {
  const options = { timeoutMs: 1000, idleTimeoutMs: 1000, maxIdleConnections: 10 }
  const upstream = createUpstream(new URL(url), { insecureSkipVerify: false, ...tls }, options)
  opened.push(upstream)
  return upstream
}

describe('the upstream that is picked', () => {
  const [a, b, c] = ['http://a', 'http://b', 'http://c'].map((url) => open(url)) as [Upstream, Upstream, Upstream]

  test('takes turns among equals', () => {
    const pick = createPickUpstream()
    const picked = Array.from({ length: 6 }, () => pick([a, b, c], new Set()))
    for (const upstream of [a, b, c]) assert.equal(picked.filter((one) => one === upstream).length, 2)
  })

  test('is the least busy one', () => {
    const ends = [a.trackRequest(), a.trackRequest(), b.trackRequest()]
    const pick = createPickUpstream()
    for (let i = 0; i < 3; i++) assert.equal(pick([a, b, c], new Set()), c)
    ends.push(c.trackRequest(), c.trackRequest())
    for (let i = 0; i < 3; i++) assert.equal(pick([a, b, c], new Set()), b)
    for (const end of ends) end()
  })

  test('is a healthy one, however busy, and one that is not only where there is no other', () => {
    const end = a.trackRequest()
    b.setHealthy(false)
    const pick = createPickUpstream()
    for (let i = 0; i < 3; i++) assert.equal(pick([a, b], new Set()), a)
    assert.equal(pick([a, b], new Set([a])), b)
    b.setHealthy(true)
    end()
  })

  test('is none that was tried, and none at all when all were', () => {
    const pick = createPickUpstream()
    assert.equal(pick([a, b], new Set([a])), b)
    assert.equal(pick([a, b], new Set([a, b])), undefined)
    assert.equal(pick([a], new Set()), a)
    assert.equal(pick([a], new Set([a])), undefined)
  })
})

test('a request counts as under way until its end, which may be told twice', () => {
  const upstream = open('http://a')
  const [first, second] = [upstream.trackRequest(), upstream.trackRequest()]
  first()
  first()
  assert.equal(upstream.inFlight(), 1)
  second()
  assert.equal(upstream.inFlight(), 0)
})

test('health is news once', () => {
  const upstream = open('http://a')
  assert.deepEqual(
    [true, false, false, true].map((isHealthy) => upstream.setHealthy(isHealthy)),
    [false, true, false, true],
  )
})

describe('TLS', () => {
  const authority = createCertificateAuthority()
  const [own, another] = [authority.issue('own'), authority.issue('another')]

  test('asks for the name of the URL, or the one that is configured, and for none where that is an address', () => {
    const nameOf = (url: string, serverName?: string) => open(url, { serverName }).tls()?.servername
    assert.equal(nameOf('https://es.example.com:9200'), 'es.example.com')
    assert.equal(nameOf('https://127.0.0.1'), '')
    assert.equal(nameOf('https://[::1]:9200'), '')
    assert.equal(nameOf('https://127.0.0.1', 'es.internal'), 'es.internal')
    assert.equal(open('http://es').tls(), undefined)
  })

  test('is renewed when that is put in force, and only where something changed', () => {
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

  test('that cannot be used is an error, and changes nothing', () => {
    const upstream = open('https://es', { cert: own.cert, key: own.key })
    const before = upstream.tls()
    assert.throws(() => upstream.prepareRenewal({ insecureSkipVerify: false, cert: own.cert, key: another.key }))
    assert.throws(() => open('https://es', { cert: 'none', key: own.key }))
    assert.equal(upstream.tls(), before)
  })
})
