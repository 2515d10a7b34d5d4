import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { type JWTVerifyGetKey, SignJWT } from 'jose'
import { createVerifyToken } from '../../../../src/providers/oidc/verify-token.ts'
import { createSigningKey, signJwt } from '../../../support/oidc/keys.ts'

const issuer = 'https://id.example'
const rsa = createSigningKey()
const now = 1_800_000_000
const claims = { iss: issuer, aud: 'kibana', sub: 'bob', exp: now + 60 }

const create = (getKey: JWTVerifyGetKey, algorithms = ['RS256'], nowSeconds = now) =>
  createVerifyToken({
    issuer: async () => issuer,
    audiences: ['kibana'],
    algorithms,
    getKey,
    now: () => nowSeconds * 1000,
  })

test('verifying a valid token returns its claims and its expiry in milliseconds', async () => {
  const { claims: found, expiresAtMs } = await create(() => rsa.publicKey)(await signJwt(rsa, claims))
  assert.deepEqual([found, expiresAtMs], [claims, (now + 60) * 1000])
})

test('rejects a token from the second of its expiry on, without a clock tolerance', async () => {
  const token = await signJwt(rsa, claims)
  await create(() => rsa.publicKey, ['RS256'], now + 59)(token)
  await assert.rejects(create(() => rsa.publicKey, ['RS256'], now + 60)(token), { code: 'token_expired' })
})

test('the error for a token that is expired or not valid yet says by how much, and that it is a clock', async () => {
  const verify = async (times: object) => create(() => rsa.publicKey)(await signJwt(rsa, { ...claims, ...times }))
  const advice = 'synchronize the clocks of this machine and the provider'
  await assert.rejects(verify({ exp: now - 95 }), {
    code: 'token_expired',
    detail: `the token has expired: its exp is 95 s ago by this machine's clock; if the token is new, ${advice}`,
  })
  await assert.rejects(verify({ nbf: now + 95 }), {
    code: 'token_invalid',
    detail: `the token was rejected: its nbf is in 95 s by this machine's clock: ${advice}`,
  })
})

test('the error for a token of another issuer names both issuers and what to write', async () => {
  const token = await signJwt(rsa, { ...claims, iss: 'https://id.example/' })
  await assert.rejects(create(() => rsa.publicKey)(token), {
    code: 'token_invalid',
    detail:
      'the token was rejected: its issuer is "https://id.example/", oidc.issuer is "https://id.example": if both are the same provider, write issuer: "https://id.example/" below oidc',
  })
})

test('rejects a token with an algorithm that is not configured, even if the key is suitable', async () => {
  await assert.rejects(create(() => rsa.publicKey, ['PS256', 'ES256'])(await signJwt(rsa, claims)), {
    code: 'token_invalid',
  })
})

test('rejects a token with a symmetric algorithm before looking for a key (algorithm confusion)', async () => {
  const secret = createSecretKey(Buffer.alloc(32, 7))
  const token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret)
  const requested: string[] = []
  const getKey: JWTVerifyGetKey = ({ alg }) => {
    requested.push(alg)
    return secret
  }
  await assert.rejects(create(getKey)(token), { code: 'token_invalid' })
  assert.deepEqual(requested, [])
})

test('an error message contains nothing of a token whose signature is not valid', async () => {
  const [header, , signature] = (await signJwt(rsa, claims)).split('.')
  const forged = Buffer.from(JSON.stringify({ ...claims, aud: 'hunter2', iss: 'hunter2' })).toString('base64url')
  await assert.rejects(create(() => rsa.publicKey)(`${header}.${forged}.${signature}`), (error: Error) => {
    assert.doesNotMatch(error.message, /hunter2/)
    return true
  })
})
