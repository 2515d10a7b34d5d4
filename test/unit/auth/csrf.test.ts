import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { describe, test } from 'node:test'
import { mayOpenWebSocket } from '../../../src/auth/csrf.ts'
import { isWebSocketUpgrade } from '../../../src/proxy/websocket/upgrade.ts'

const get = { method: 'GET', httpVersion: '1.1' }
const websocket = { upgrade: 'websocket' }

describe('which requests count as a WebSocket for CSRF protection, and which get a tunnel', () => {
  const rows: [what: string, request: Partial<IncomingMessage>, mayOpen: boolean, getsTunnel: boolean][] = [
    ['a request without Upgrade', { ...get, headers: {} }, false, false],
    ['an upgrade to WebSocket', { ...get, headers: websocket }, true, true],
    ['an upgrade to WebSocket in capitals', { ...get, headers: { upgrade: 'WebSocket' } }, true, true],
    ['an upgrade to h2c', { ...get, headers: { upgrade: 'h2c' } }, true, false],
    ['an upgrade to WebSocket or h2c', { ...get, headers: { upgrade: 'websocket, h2c' } }, true, false],
    ['an empty Upgrade', { ...get, headers: { upgrade: '' } }, true, false],
    ['a sub-request that kept Sec-WebSocket-Key', { ...get, headers: { 'sec-websocket-key': 'x' } }, true, false],
    ['an upgrade with POST', { ...get, method: 'POST', headers: websocket }, true, false],
    ['an upgrade with get in lower case', { ...get, method: 'get', headers: websocket }, true, false],
    ['an upgrade of HTTP/1.0', { ...get, httpVersion: '1.0', headers: websocket }, true, false],
    ['an upgrade of HTTP/2', { ...get, httpVersion: '2.0', headers: websocket }, true, false],
  ]
  for (const [what, request, mayOpen, getsTunnel] of rows)
    test(`${what} ${mayOpen ? 'counts' : 'does not count'} as a WebSocket for CSRF protection, and gets ${getsTunnel ? 'a' : 'no'} tunnel`, () => {
      assert.equal(mayOpenWebSocket(request.headers!), mayOpen)
      assert.equal(isWebSocketUpgrade(request as IncomingMessage), getsTunnel)
    })
})
