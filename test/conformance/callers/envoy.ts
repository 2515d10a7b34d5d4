import { isSameName } from '../message.ts'
import { type Caller, clientAddress, joined, type Verdict } from './caller.ts'

/**
 * Envoy's ext_authz with an `http_service` (source/extensions/filters/common/ext_authz/ext_authz_http_impl.cc): the
 * original's method, its path after `path_prefix` (always set here), `Content-Length: 0`, and of the original's headers
 * Authorization and those in `allowed_headers`. https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter
 */
export const envoy: Caller = {
  name: 'envoy',
  verdictFor,
  subRequestFor(original, server) {
    const isPassed = (name: string) => [...alwaysPassed, ...server.passed].some((other) => isSameName(name, other))
    return {
      method: original.method,
      target: server.pathPrefix + original.target,
      version: '1.1',
      headers: [
        ['host', original.host],
        ...joined(
          original.headers.filter(([name]) => isPassed(name)),
          ',',
        ),
        ['content-length', '0'],
        ['x-envoy-internal', 'true'],
        // The client's address is configured (headers_to_add); then Envoy, which is the client here, adds its own.
        ['x-forwarded-for', `${clientAddress},${envoyAddress}`],
        ['x-envoy-expected-rq-timeout-ms', '200'],
      ],
    }
  },
}

/** Envoy's own address in all cases (RFC 5737). */
export const envoyAddress = '192.0.2.1'

const alwaysPassed = ['Authorization', 'Accept', 'Cookie']

/** Only 200 allows. */
function verdictFor({ status }: { status: number }): Verdict {
  if (status === 200) return 'allow'
  return status >= 300 && status < 500 ? 'deny' : 'error'
}
