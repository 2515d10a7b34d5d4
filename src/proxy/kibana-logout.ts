import type { IncomingMessage } from 'node:http'
import type { GatewayResponse } from '../http/response.ts'
import { originForm, pathOf } from '../http/target.ts'
import { checkFraming } from './headers/framing.ts'
import type { Routing } from './routing/routing.ts'

export type KibanaLogoutOptions = Readonly<{
  routing: Pick<Routing, 'pickRoute'>
  /** Whether a person's browser goes to this address, rather than a script or a program that fetches it. */
  isNavigation: (request: IncomingMessage) => boolean
  /** Ends the session, and leads to the provider's logout. */
  signOut: (request: IncomingMessage) => Promise<GatewayResponse>
}>

/**
 * Kibana's own logout, as ours: what it forgets by itself is not what lets the person in. Undefined for any other request.
 *
 * In Kibana, `/logout` is a page that leads on to `/api/security/logout`, both below its `server.basePath`. We know that
 * path only where a route has it, and take the second below any: to Elasticsearch, `/users/_doc/logout` is a document.
 */
export function createKibanaLogout({ routing, isNavigation, signOut }: KibanaLogoutOptions) {
  return function answerKibanaLogout(request: IncomingMessage): Promise<GatewayResponse> | undefined {
    const { method, url = '/', headers } = request
    if (!url.includes('/logout') || method !== 'GET' || !isNavigation(request)) return undefined
    checkFraming(request)
    const target = originForm(url)! // checkFraming rejects all other forms
    const route = routing.pickRoute(headers.host ?? '', target)
    if (route?.auth !== 'required' || !isLogout(target, route.path)) return undefined
    return signOut(request)
  }
}

function isLogout(target: string, routePath: string | null): boolean {
  const path = pathOf(target).replace(/\/$/, '')
  if (/\/api\/security\/(v1\/)?logout$/.test(path)) return true
  const base = (routePath ?? '').replace(/\/+$/, '')
  return /^(\/s\/[^/]+)?\/logout$/.test(path.slice(base.length))
}
