import { type Caller, clientAddress, endToEnd, fixedTarget, replacing, verdictByClass } from './caller.ts'

/**
 * Traefik's ForwardAuth (pkg/middlewares/auth/forward.go), with `trustForwardHeader: false`: a GET to one address with the
 * client's headers and its own X-Forwarded-*, without the body. https://doc.traefik.io/traefik/middlewares/http/forwardauth/
 */
export const traefik: Caller = {
  name: 'traefik',
  verdictFor: verdictByClass,
  subRequestFor: (original, { url }) => ({
    method: 'GET',
    target: fixedTarget(url),
    version: '1.1',
    headers: replacing(endToEnd(original), [
      ['Host', url.host],
      ['X-Forwarded-For', clientAddress],
      ['X-Forwarded-Host', original.host],
      ['X-Forwarded-Method', original.method],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Uri', original.target],
      ['Accept-Encoding', 'gzip'],
    ]),
  }),
}
