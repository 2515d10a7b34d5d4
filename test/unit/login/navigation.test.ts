import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'
import { isNavigation } from '../../../src/login/navigation.ts'

const html = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const page = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: html }

/** The table of docs/oidc.md. */
const rows: readonly [what: string, isLogin: boolean, headers: IncomingHttpHeaders, method?: string][] = [
  ['a page', true, page],
  ['a page, by HEAD', true, page, 'HEAD'],
  ['a page, reached by a link from elsewhere', true, { ...page, 'sec-fetch-site': 'cross-site' }],
  ['an older browser’s page', true, { accept: html }],
  ['an older browser’s page in XHTML', true, { accept: 'application/xhtml+xml' }],
  ['a form that is sent', false, page, 'POST'],
  ['fetch', false, { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }],
  ['fetch that asks for HTML', false, { ...page, 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' }],
  ['fetch without CORS', false, { ...page, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty' }],
  ['a picture', false, { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/avif,*/*' }],
  ['a script', false, { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script', accept: '*/*' }],
  ['XMLHttpRequest', false, { accept: html, 'x-requested-with': 'XMLHttpRequest' }],
  ['Kibana’s own calls', false, { accept: html, 'kbn-xsrf': 'true' }],
  ['Kibana’s own calls, by version', false, { accept: html, 'kbn-version': '8.19.0' }],
  ['EventSource', false, { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/event-stream' }],
  ['an older browser’s EventSource', false, { accept: 'text/event-stream' }],
  ['a WebSocket', false, { ...page, 'sec-fetch-mode': 'websocket', upgrade: 'websocket', connection: 'Upgrade' }],
  ['an older browser’s WebSocket', false, { accept: html, upgrade: 'websocket' }],
  ['a WebSocket that a proxy asks about', false, { ...page, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }],
  ['a frame', false, { ...page, 'sec-fetch-dest': 'iframe' }],
  ['an old frame', false, { ...page, 'sec-fetch-dest': 'frame' }],
  ['an object', false, { ...page, 'sec-fetch-dest': 'object' }],
  ['an embedded document', false, { ...page, 'sec-fetch-dest': 'embed' }],
  ['a prefetch', false, { ...page, 'sec-purpose': 'prefetch' }],
  ['a prerendered page', false, { ...page, 'sec-purpose': 'prefetch;prerender' }],
  ['an older prefetch', false, { accept: html, purpose: 'prefetch' }],
  ['Firefox’s older prefetch', false, { accept: html, 'x-moz': 'prefetch' }],
  ['Safari’s preview', false, { accept: html, 'x-purpose': 'preview' }],
  ['curl', false, { accept: '*/*' }],
  ['no Accept', false, {}],
  ['a client of the API', false, { accept: 'application/json, text/html' }],
  ['who has other credentials', false, { ...page, authorization: 'Basic Ym9iOmJvYg==' }],
]

for (const [what, isLogin, headers, method = 'GET'] of rows) {
  test(`${what}: ${isLogin ? 'to the login' : '401'}`, () => assert.equal(isNavigation(method, headers), isLogin))
}
