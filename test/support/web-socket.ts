import type { Gateway } from './gateway.ts'
import { openRaw, type RawConnection } from './raw-http.ts'
import { portOf } from './upstream.ts'

/** The response with which an upstream opens a tunnel. */
export const switchingProtocols =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n'

/** Requests a WebSocket of a gateway, by default as bob. */
export function requestWebSocket(
  gateway: Gateway,
  path: string,
  headers: string[] = ['Remote-User: bob'],
  options?: Parameters<typeof openRaw>[1],
): RawConnection {
  const connection = openRaw(portOf(gateway), options)
  const upgradeHeaders = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Key: a2V5',
    'Sec-WebSocket-Version: 13',
  ]
  connection.send([`GET ${path} HTTP/1.1`, 'Host: es', ...upgradeHeaders, ...headers, '', ''].join('\r\n'))
  return connection
}
