import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createCheckSubRequestTarget, escapesPathPrefix, type SubRequestPaths } from '../../../src/auth/sub-request.ts'
import { GatewayError } from '../../../src/http/errors.ts'
import { otherTargets, spellingsOf } from '../../conformance/spellings.ts'
import { createRandom } from '../../support/fuzz/random.ts'

const check = (target: string, paths: Partial<SubRequestPaths> = {}) => {
  try {
    createCheckSubRequestTarget({ pathPrefix: undefined, acceptsLegacyPath: true, ...paths })(target)
    return 'sub-request'
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.code === 'not_found')
    return error.detail
  }
}

describe('the target /, byte for byte', () => {
  for (const target of ['/', '/?', '/?x=1', '/?/elastauth/x', '/??', '/?%ff#', '/?\\..//']) {
    test(`${target} is a sub-request, because the query is ignored`, () => assert.equal(check(target), 'sub-request'))
  }
  for (const target of [...spellingsOf('elastauth'), ...otherTargets, '', '*', '?', '/ ', '/\u00e9', '/\t']) {
    test(`${JSON.stringify(target.slice(0, 40))} is not a sub-request, and the log says which target to use`, () => {
      assert.match(check(target), /on \/ only: point the proxy's auth address there, or set forward_auth\.path_prefix$/)
    })
  }
})

describe("the Go elastauth's address /elastauth", () => {
  for (const target of ['/elastauth', '/elastauth?a=/elastauth/x', '/elastauth?']) {
    test(`${target} is a sub-request if users do not sign in through elastauth`, () => {
      assert.equal(check(target), 'sub-request')
    })
    test(`${target} is not a sub-request where users sign in through elastauth, and the log says to use /`, () => {
      assert.match(
        check(target, { acceptsLegacyPath: false }),
        /on \/ only where people sign in .*, not to \/elastauth$/,
      )
    })
  }
  for (const target of ['/elastauth/', '/ELASTAUTH', '/elastaut%68', '/elastauth#', '/elastauth;', '//elastauth']) {
    test(`${target} is not accepted as a spelling of /elastauth`, () => assert.notEqual(check(target), 'sub-request'))
  }
})

describe("below forward_auth.path_prefix, the client's path follows unchanged", () => {
  const below = (rest: string) => check(`/ext/authz${rest}`, { pathPrefix: '/ext/authz' })

  for (const rest of [
    '/',
    '/?x',
    '/app/home?lang=en',
    '/_bulk',
    '//double//slashes/',
    '/dots/../and/./more',
    '/encoded%2Fslash%20blank%25percent',
    '/no%zzescape?%',
    '/%ff/%c3%28/%',
    '/a/..',
    '/a/b/%2e%2e/c',
    '/%25252525',
    '/...',
    '/..a/..b',
    '/a\\b',
    '/a;b=..',
    '/elastauthx/y',
    '/x/elastauth/y',
    '/app?/../../elastauth',
    '/%E2%80%A6/',
    `/${'a/'.repeat(4000)}`,
  ]) {
    test(`${rest.slice(0, 40)} below the prefix is a sub-request`, () => assert.equal(below(rest), 'sub-request'))
  }

  for (const rest of [
    '/..',
    '/../',
    '/../elastauth/x',
    '/../../elastauth/x',
    '/a/../../elastauth/x',
    '//../x',
    '/a//../../x',
    '/./../x',
    '/..;/x',
    '/..;a=b/x',
    '/..\\x',
    '\\..\\x',
    '/\\..\\x',
    '/%2e%2e/x',
    '/.%2e/x',
    '/..%2fx',
    '/%2e%2e%2fx',
    '/..%5cx',
    '/%252e%252e/x',
    '/%25252e%25252e%25252fx',
    '/a%2fb/../../x',
    '/a\\b/../../x',
    '/a%5cb/../../x',
    '/a%252fb/../../kibana',
    '/a/%2e%2e/%2e%2e/elastauth/%252e%252e/ext/authz/x',
    '/x%3f/../../y',
    `/%${'25'.repeat(9)}2e/x`,
    '/elastauth/../x',
    '/elastauth//../x',
    '/elastauth',
    '/elastauth/',
    '/elastauth/health',
    '/ELASTAUTH/x',
    '/elastauth%2fx',
    '/%65lastauth/x',
    '/%2565lastauth/x',
    '//elastauth/x',
    '/./elastauth/x',
    '/x/../elastauth/x',
    '/x/%2e%2e/elastauth/x',
    '/\\elastauth\\x',
    '/elastauth;x',
    '/elastauth;x/y',
    '/elastauth?x',
  ]) {
    test(`${rest.slice(0, 40)} below the prefix is rejected, since it leads out of the prefix or to /elastauth`, () => {
      const detail = below(rest)
      if (rest.startsWith('\\')) assert.match(detail, /below forward_auth\.path_prefix only/)
      else assert.match(detail, /leads out of the prefix or to \/elastauth/)
    })
  }

  for (const target of [
    '/ext/authz',
    '/ext/authz?x',
    '/ext',
    '/ext/',
    '/ext/authzx/y',
    '/EXT/authz/x',
    '//ext/authz/x',
  ]) {
    test(`${target} is not below the prefix /ext/authz, and is rejected`, () => {
      const detail = check(target, { pathPrefix: '/ext/authz' })
      assert.match(detail, /on \/ and below forward_auth\.path_prefix only/)
    })
  }

  test('/ is also a sub-request if forward_auth.path_prefix is set', () => {
    assert.equal(check('/', { pathPrefix: '/ext/authz' }), 'sub-request')
  })

  test('a path below the prefix is not a sub-request if forward_auth.path_prefix is not set', () =>
    assert.notEqual(check('/ext/authz/x'), 'sub-request'))
})

test('a path that is percent-encoded more than four times is rejected, however long it is', () => {
  assert.equal(escapesPathPrefix('/%2525252e'), false)
  assert.equal(escapesPathPrefix('/%252525252e'), true)
  assert.equal(escapesPathPrefix(`/%${'25'.repeat(30_000)}2e`), true)
})

test('an accepted path never leaves the prefix or enters /elastauth, however it is decoded (50,000 random paths)', () => {
  const random = createRandom(12)
  const pieces = [
    '/',
    '/',
    '..',
    '.',
    'a',
    'elastauth',
    'ELASTAUTH',
    '%2e',
    '%2f',
    '%5c',
    '\\',
    '%25',
    '2e',
    '2f',
    ';',
    '%',
  ]
  let accepted = 0
  for (let i = 0; i < 50_000; i++) {
    const path = `/${Array.from({ length: 1 + random.below(9) }, () => random.of(pieces)).join('')}`
    if (escapesPathPrefix(path)) continue
    accepted++
    let decodedPath = path
    for (let depth = 0; depth < 12; depth++) {
      // An independent implementation: the WHATWG URL parser.
      for (const written of [decodedPath, decodedPath.replaceAll('\\', '_')]) {
        const { pathname } = new URL(`http://h/prefix${written}`)
        assert.match(pathname, /^\/prefix(?:\/|$)/, `${path} read as ${written}`)
        assert.doesNotMatch(pathname, /^\/prefix\/elastauth(?:\/|$)/i, `${path} read as ${written}`)
      }
      decodedPath = decodedPath.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    }
  }
  assert.ok(accepted > 1000, String(accepted))
})
