import { createServer, type Server, type ServerResponse } from 'node:http'
import type { KubernetesObject } from './helm.ts'

export type KubernetesApi = Readonly<{
  server: Server
  /** Adds an object, and sends it to the watches of its kind. */
  add: (object: KubernetesObject) => void
}>

/** The kinds that Traefik reads, by their names in URLs. */
const kinds: Readonly<Record<string, string>> = {
  ...{ backendtlspolicies: 'BackendTLSPolicy', configmaps: 'ConfigMap', endpointslices: 'EndpointSlice' },
  ...{ gatewayclasses: 'GatewayClass', gateways: 'Gateway', grpcroutes: 'GRPCRoute', httproutes: 'HTTPRoute' },
  ...{ ingressclasses: 'IngressClass', ingresses: 'Ingress', ingressroutes: 'IngressRoute' },
  ...{ ingressroutetcps: 'IngressRouteTCP', ingressrouteudps: 'IngressRouteUDP', middlewares: 'Middleware' },
  ...{ middlewaretcps: 'MiddlewareTCP', namespaces: 'Namespace', nodes: 'Node', referencegrants: 'ReferenceGrant' },
  ...{ secrets: 'Secret', serverstransports: 'ServersTransport', serverstransporttcps: 'ServersTransportTCP' },
  ...{ services: 'Service', tlsoptions: 'TLSOption', tlsroutes: 'TLSRoute', tlsstores: 'TLSStore' },
  traefikservices: 'TraefikService',
}

/** An API server that lists these objects and serves watches of them. It accepts every write, and ignores it. */
export function createKubernetesApi(initialObjects: readonly KubernetesObject[]): KubernetesApi {
  const objects: KubernetesObject[] = []
  const watches = new Map<ServerResponse, string>()

  function add(object: KubernetesObject): void {
    const resourceVersion = String(objects.length + 1)
    objects.push({ ...object, metadata: { ...object.metadata, uid: resourceVersion, resourceVersion } })
    for (const [response, kind] of watches)
      if (kind === kindOf(object)) send(response, { type: 'ADDED', object: objects.at(-1)! })
  }

  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
    response.setHeader('Content-Type', 'application/json')
    const { kind, apiVersion } = readTarget(pathname)
    if (request.method !== 'GET' || kind === '') return void request.resume().on('end', () => response.end('{}'))
    const items = objects.filter((object) => kindOf(object) === `${apiVersion}/${kind}`)
    const metadata = { resourceVersion: String(objects.length) }
    if (!searchParams.has('watch')) {
      response.end(JSON.stringify({ apiVersion, kind: `${kind}List`, metadata, items }))
      return
    }
    watches.set(response, `${apiVersion}/${kind}`)
    response.on('close', () => watches.delete(response)).flushHeaders()
    if (searchParams.get('sendInitialEvents') !== 'true') return
    for (const object of items) send(response, { type: 'ADDED', object })
    const annotations = { 'k8s.io/initial-events-end': 'true' }
    send(response, { type: 'BOOKMARK', object: { apiVersion, kind, metadata: { ...metadata, annotations } } })
  })
  for (const object of initialObjects) add(object)
  return { server, add }
}

/** `/apis/traefik.io/v1alpha1/middlewares` → Middleware, traefik.io/v1alpha1 */
function readTarget(path: string): { kind: string; apiVersion: string } {
  const [, apiVersion = '', resource = ''] = /^\/apis?\/(v1|[^/]+\/[^/]+)\/(?:.+\/)?(\w+)$/.exec(path) ?? []
  return { kind: kinds[resource] ?? '', apiVersion }
}

function kindOf({ apiVersion, kind }: KubernetesObject): string {
  return `${apiVersion}/${kind}`
}

function send(response: ServerResponse, event: object): void {
  response.write(`${JSON.stringify(event)}\n`)
}
