import type { IncomingMessage } from 'node:http'
import { isLoopbackHost } from '../../config/hosts.ts'
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

/** `config`: for requests from this machine, and users with one of `admin_roles`. Throws GatewayError not_permitted. */
export function createConfigEndpoint({
  redacted,
  resolveSubject,
  adminRoles,
  isLoopback,
}: ConfigEndpointOptions): Handler {
  return async function config(request) {
    const username = await authorize(request)
    return jsonResponse(200, redacted(), username)
  }

  /** @returns the user, if it was not the address that authorized the request */
  async function authorize(request: IncomingMessage): Promise<string | undefined> {
    if (isLoopback(request) && hasLoopbackHost(request) && !isForwarded(request)) return undefined
    if (adminRoles.length === 0)
      throw new GatewayError('not_permitted', 'not a direct request from loopback, and admin_roles is empty')
    const { identity, roles } = await resolveSubject(request)
    if (roles.some((role) => adminRoles.includes(role))) return identity.username
    throw new GatewayError('not_permitted', "none of the user's roles is in admin_roles", {
      username: identity.username,
    })
  }
}

/** Any other Host may come through a proxy on this machine, or from a browser by DNS rebinding. */
function hasLoopbackHost({ headers: { host = '' } }: IncomingMessage): boolean {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host) ?? []
  return isLoopbackHost(name)
}

/**
 * A reverse proxy on this machine also connects from loopback, with requests from anywhere. nginx with only
 * `proxy_pass` adds no header, but uses HTTP/1.0, which current clients do not.
 */
function isForwarded({ httpVersion, headers }: IncomingMessage): boolean {
  return (
    httpVersion === '1.0' ||
    ['forwarded', 'via', 'x-real-ip'].some((name) => name in headers) ||
    Object.keys(headers).some((name) => name.startsWith('x-forwarded-'))
  )
}
