import { without } from '../message.ts'
import { type Caller, clientAddress, fixedTarget, replacing, type Verdict } from './caller.ts'

/** Headers that ngx_http_proxy_module drops or replaces by default. */
const dropped = ['Host', 'Connection', 'Keep-Alive', 'Transfer-Encoding', 'TE', 'Expect', 'Upgrade', 'Content-Length']

/**
 * nginx's auth_request with proxy_pass and the settings that its documentation recommends (`proxy_pass_request_body off`,
 * `Content-Length ""`): an HTTP/1.0 GET with the client's headers. Headers are dropped if their name has
 * other characters than letters, digits and `-` (`ignore_invalid_headers`). https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
 */
export const nginx: Caller = {
  name: 'nginx',
  verdictFor,
  subRequestFor: (original, { url }) => ({
    method: 'GET',
    target: fixedTarget(url),
    version: '1.0',
    headers: replacing(
      without(original.headers, dropped).filter(([name]) => /^[a-z\d-]+$/i.test(name)),
      [
        ['Host', url.host],
        ['Connection', 'close'],
        ['X-Original-URL', `https://${original.host}${original.target}`],
        ['X-Original-Method', original.method],
        ['X-Forwarded-For', clientAddress],
      ],
    ),
  }),
}

/** 2xx allows, 401 and 403 deny; nginx turns any other status into 500. */
function verdictFor({ status }: { status: number }): Verdict {
  if (status >= 200 && status < 300) return 'allow'
  return status === 401 || status === 403 ? 'deny' : 'error'
}
