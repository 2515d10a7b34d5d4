import { without } from '../message.ts'
import { type Caller, client, fixedTarget, replacing, type Verdict } from './caller.ts'

/** What ngx_http_proxy_module drops by itself, or replaces. */
const dropped = ['Host', 'Connection', 'Keep-Alive', 'Transfer-Encoding', 'TE', 'Expect', 'Upgrade', 'Content-Length']

/**
 * nginx's auth_request by way of proxy_pass, with the settings its documentation asks for (`proxy_pass_request_body off`,
 * `Content-Length ""`): an HTTP/1.0 GET with the client's headers. Names with other signs than letters, digits and `-` are
 * dropped (`ignore_invalid_headers`). https://nginx.org/en/docs/http/ngx_http_auth_request_module.html
 */
export const nginx: Caller = {
  name: 'nginx',
  judge,
  ask: (original, { url }) => ({
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
        ['X-Forwarded-For', client],
      ],
    ),
  }),
}

/** 401 and 403 are no; of anything else nginx makes a 500. */
function judge({ status }: { status: number }): Verdict {
  if (status >= 200 && status < 300) return 'allow'
  return status === 401 || status === 403 ? 'deny' : 'broken'
}
