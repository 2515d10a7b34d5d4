import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'
import { isNavigation } from '../../../src/login/navigation.ts'

const html = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const page = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: html }

/** The table of docs/oidc.md. */
const rows: readonly [request: string, isRedirected: boolean, headers: IncomingHttpHeaders, method?: string][] = [
  ['a page navigation', true, page],
  ['a page navigation with HEAD', true, page, 'HEAD'],
  ['a page navigation by a link on another site', true, { ...page, 'sec-fetch-site': 'cross-site' }],
  ['a page navigation in an older browser', true, { accept: html }],
  ['a page navigation in an older browser that prefers XHTML', true, { accept: 'application/xhtml+xml' }],
  ['the submission of a form', false, page, 'POST'],
  ['a fetch', false, { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }],
  ['a fetch that accepts HTML', false, { ...page, 'sec-fetch-mode': 'same-origin', 'sec-fetch-dest': 'empty' }],
  ['a fetch without CORS', false, { ...page, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'empty' }],
  ['an image', false, { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/avif,*/*' }],
  ['a script', false, { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script', accept: '*/*' }],
  ['an XMLHttpRequest', false, { accept: html, 'x-requested-with': 'XMLHttpRequest' }],
  ['an API call of Kibana with kbn-xsrf', false, { accept: html, 'kbn-xsrf': 'true' }],
  ['an API call of Kibana with kbn-version', false, { accept: html, 'kbn-version': '8.19.0' }],
  ['an EventSource', false, { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/event-stream' }],
  ['an EventSource in an older browser', false, { accept: 'text/event-stream' }],
  [
    'a WebSocket handshake',
    false,
    { ...page, 'sec-fetch-mode': 'websocket', upgrade: 'websocket', connection: 'Upgrade' },
  ],
  ['a WebSocket handshake in an older browser', false, { accept: html, upgrade: 'websocket' }],
  ['a sub-request about a WebSocket handshake', false, { ...page, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }],
  ['an iframe', false, { ...page, 'sec-fetch-dest': 'iframe' }],
  ['a frame of a frameset', false, { ...page, 'sec-fetch-dest': 'frame' }],
  ['an object element', false, { ...page, 'sec-fetch-dest': 'object' }],
  ['an embed element', false, { ...page, 'sec-fetch-dest': 'embed' }],
  ['a prefetch', false, { ...page, 'sec-purpose': 'prefetch' }],
  ['a prerendered page', false, { ...page, 'sec-purpose': 'prefetch;prerender' }],
  ['a prefetch of an older browser', false, { accept: html, purpose: 'prefetch' }],
  ['a prefetch of an older Firefox', false, { accept: html, 'x-moz': 'prefetch' }],
  ['a preview of Safari', false, { accept: html, 'x-purpose': 'preview' }],
  ['a request of curl', false, { accept: '*/*' }],
  ['a request without Accept', false, {}],
  ['an API client that prefers JSON', false, { accept: 'application/json, text/html' }],
  ['a page navigation with an Authorization header', false, { ...page, authorization: 'Basic Ym9iOmJvYg==' }],
]

for (const [request, isRedirected, headers, method = 'GET'] of rows) {
  test(`${isRedirected ? 'redirects' : 'does not redirect'} ${request} to the provider`, () =>
    assert.equal(isNavigation(method, headers), isRedirected))
}
