import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { usersEnv } from '../support/sign-in-form.ts'
import { createFixture } from './fixture.ts'

const { start } = await createFixture()
const [plain, withForm, full] = await Promise.all([
  start(),
  start({ flags: { auth_provider: 'users' }, env: { ...usersEnv, ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' } }),
  start({
    flags: {
      enable_metrics: 'true',
      auth_provider: 'oidc',
      'oidc.issuer': 'http://127.0.0.1:9',
      'oidc.client_id': 'elastauth',
    },
    env: { ELASTAUTH_OIDC_CLIENT_SECRET: 'not-used', ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' },
  }),
])

type Api = { openapi: string; paths: Record<string, Record<string, { summary: string; responses: object }>> }

async function readApi(url: string): Promise<Api> {
  const response = await fetch(`${url}/elastauth/openapi.yaml`)
  assert.equal(response.headers.get('content-type'), 'application/yaml; charset=utf-8')
  return parse(await response.text())
}

test('every path and method in the OpenAPI document exists', async () => {
  for (const { url } of [plain, withForm, full]) {
    const { openapi, paths } = await readApi(url)
    assert.match(openapi, /^3\.1\./)
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, { summary, responses }] of Object.entries(operations)) {
        assert.ok(summary.includes(' ') && Object.keys(responses).length > 1, path)
        const { status } = await fetch(url + path, { method, redirect: 'manual' })
        assert.ok(status !== 404 && status !== 405, `${method} ${path}: ${status}`)
      }
    }
  }
})

test('the OpenAPI document lists only the endpoints that are enabled', async () => {
  const listed = Object.keys((await readApi(plain.url)).paths)
  assert.ok(listed.includes('/elastauth/health'))
  for (const name of ['metrics', 'login', 'logout']) assert.ok(!listed.includes(`/elastauth/${name}`), name)
  const all = Object.keys((await readApi(full.url)).paths)
  for (const name of ['metrics', 'login', 'logout', 'backchannel-logout']) assert.ok(all.includes(`/elastauth/${name}`))
})

test('the OpenAPI document has the POST of the sign-in form if there is a form, and not if users sign in at a provider', async () => {
  const { paths } = await readApi(withForm.url)
  assert.deepEqual(Object.keys(paths['/elastauth/login']!), ['get', 'post'])
  assert.match(JSON.stringify(paths['/elastauth/login']!.post), /"required":\["state","username","password"\]/)
  assert.deepEqual(Object.keys((await readApi(full.url)).paths['/elastauth/login']!), ['get'])
})

test('the docs page lists every path of the OpenAPI document, without scripts or external files', async () => {
  const response = await fetch(`${full.url}/elastauth/docs`)
  assert.match(response.headers.get('content-security-policy')!, /^default-src 'none'/)
  const html = await response.text()
  for (const path of Object.keys((await readApi(full.url)).paths)) {
    if (path !== '/') assert.ok(html.includes(`<code>${path}</code>`), path)
  }
  assert.doesNotMatch(html, /<script|https?:\/\//)
})
