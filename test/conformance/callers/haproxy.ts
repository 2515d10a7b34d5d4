import { headersOf } from '../../support/raw-http.ts'
import { without } from '../message.ts'
import { type Caller, fixedTarget, joined, replacing, verdictByClass } from './caller.ts'

/**
 * The Lua script haproxy-auth-request, as Authelia's and authentik's documentation use it: HEAD, without `Content-Length`
 * but with the client's `Transfer-Encoding`, and with repeated headers joined. It closes the connection after the response's head.
 * https://github.com/TimWolla/haproxy-auth-request
 */
export const haproxy: Caller = {
  name: 'haproxy',
  verdictFor: verdictByClass,
  subRequestFor(original, { url }) {
    const { headers, method, target, host } = original
    const [connection = 'close'] = headersOf(original, 'Connection')
    const lengthless = without(headers, ['Host', 'Content-Length', 'Connection'])
    return {
      method: 'HEAD',
      target: fixedTarget(url),
      version: '1.1',
      headers: [
        ...joined(
          replacing(lengthless, [
            ['x-forwarded-host', host],
            ['x-forwarded-method', method],
            ['x-forwarded-proto', 'https'],
            ['x-forwarded-uri', target],
          ]),
          ', ',
        ),
        ['host', url.host],
        ['connection', connection],
      ],
    }
  },
}
