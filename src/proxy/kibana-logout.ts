import type { IncomingMessage } from 'node:http'
import type { RequestContext } from '../http/request-context.ts'
import type { GatewayResponse } from '../http/response.ts'
import { originForm, pathOf, withoutTrailingSlashes } from '../http/target.ts'
import { checkFraming } from './headers/framing.ts'
import type { Routing } from './routing/routing.ts'

export type KibanaLogoutOptions = Readonly<{
  routing: Pick<Routing, 'pickRoute'>
  /** Whether the request is a browser's navigation, not a fetch by a script or another program. */
  isNavigation: (request: IncomingMessage) => boolean
  /** Ends the user's session in elastauth and redirects to the provider's logout. */
  signOut: (context: RequestContext) => Promise<GatewayResponse>
}>

/**
 * Signs the user out of elastauth when a browser requests Kibana's logout, which would not end elastauth's session.
 * Returns undefined for any other request. Kibana's `/logout` redirects to `/api/security/logout`, both below its
 * `server.basePath`, which elastauth knows only if it is the path of a route. The API's path is therefore matched below
 * any path, but `/logout` only directly below the route's: in Elasticsearch, `/users/_doc/logout` is a document.
 */
export function createKibanaLogout({ routing, isNavigation, signOut }: KibanaLogoutOptions) {
  return function handleKibanaLogout(context: RequestContext): Promise<GatewayResponse> | undefined {
    const { request } = context
    const { method, url = '/', headers } = request
    if (!url.includes('/logout') || method !== 'GET' || !isNavigation(request)) return undefined
    checkFraming(request)
    const target = originForm(url)! // checkFraming rejects all other forms
    const route = routing.pickRoute(headers.host ?? '', target)
    if (route?.auth !== 'required' || !isLogoutPath(target, route.path)) return undefined
    return signOut(context)
  }
}

function isLogoutPath(target: string, routePath: string | null): boolean {
  const path = pathOf(target).replace(/\/$/, '')
  const basePath = withoutTrailingSlashes(routePath ?? '')
  return logoutApis.some((api) => path.endsWith(api)) || logoutPage.test(path.slice(basePath.length))
}

const logoutApis = ['/api/security/logout', '/api/security/v1/logout']

/** Kibana's page, which may be in a space. */
const logoutPage = /^(?:\/s\/[^/]+)?\/logout$/
