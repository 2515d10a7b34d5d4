import type { IncomingMessage } from 'node:http'
import type { Authentication } from '../auth/authenticate.ts'
import { GatewayError } from '../http/errors.ts'
import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

export type ConfigEndpointOptions = Readonly<{
  /** The configuration with every secret masked. */
  redacted: () => unknown
  resolveSubject: Authentication['resolveSubject']
  adminRoles: readonly string[]
  isLoopback: (request: IncomingMessage) => boolean
}>

/** `config`: for somebody on this machine, or a user with one of `admin_roles`. Throws GatewayError not_permitted. */
export function createConfigEndpoint({
  redacted,
  resolveSubject,
  adminRoles,
  isLoopback,
}: ConfigEndpointOptions): Handler {
  return async function answerConfig(request) {
    const username = await admit(request)
    return jsonResponse(200, redacted(), username)
  }

  async function admit(request: IncomingMessage): Promise<string | undefined> {
    if (isLoopback(request) && isForThisMachine(request) && !isForwarded(request)) return undefined
    if (adminRoles.length === 0) throw new GatewayError('not_permitted', 'not from loopback, and admin_roles is empty')
    const { identity, roles } = await resolveSubject(request)
    if (roles.some((role) => adminRoles.includes(role))) return identity.username
    throw new GatewayError('not_permitted', 'none of the user’s roles is in admin_roles', {
      username: identity.username,
    })
  }
}

/** Not by another name: a proxy on this machine may hand that through, and a browser may be led here by DNS. */
function isForThisMachine({ headers: { host = '' } }: IncomingMessage): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host)
}

/**
 * A reverse proxy on this machine comes from loopback too, with requests from anywhere. nginx that is told no more than
 * `proxy_pass` adds no header, and speaks HTTP/1.0, as nobody on this machine does.
 */
function isForwarded({ httpVersion, headers }: IncomingMessage): boolean {
  return (
    httpVersion === '1.0' ||
    ['forwarded', 'via', 'x-real-ip'].some((name) => name in headers) ||
    Object.keys(headers).some((name) => name.startsWith('x-forwarded-'))
  )
}
