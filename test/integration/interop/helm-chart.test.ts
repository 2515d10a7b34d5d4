import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashSync } from 'bcryptjs'
import { request } from 'undici'
import { parseBasic } from '../../behavior/credential.ts'
import { startGateway, subRequestUrlOf } from '../../support/gateway.ts'
import { type KubernetesObject, renderChart, skipWithoutHelm } from '../../support/helm.ts'
import { createKubernetesApi } from '../../support/kubernetes-api.ts'
import { findFreePort } from '../../support/port.ts'
import { type Address, listen } from './listen.ts'
import { createTraefik, startRealProxy } from './real-proxy.ts'
import { skipWithout } from './skip-without.ts'

const hosts = { Ingress: 'kibana.example.com', HTTPRoute: 'gateway.example.com' }
const proxySecret = 'a-secret-of-the-tests-for-the-proxy'
const routes = {
  traefik: { enabled: true },
  ingress: { enabled: true, hosts: [hosts.Ingress] },
  httpRoute: { enabled: true, hostnames: [hosts.HTTPRoute], parentRefs: [{ name: 'public' }] },
}
const secretMiddleware = object('traefik.io/v1alpha1', 'Middleware', 'elastauth-proxy-secret', {
  spec: { headers: { customRequestHeaders: { 'X-Elastauth-Proxy-Secret': proxySecret } } },
})

if (skipWithout(createTraefik(() => '', { host: '', path: '' })) === false) {
  describe('Traefik with the objects of the Helm chart', { skip: skipWithoutHelm() }, () => {
    const cleanup = new AsyncDisposableStack()
    after(() => cleanup.disposeAsync())

    test('requests reach neither elastauth nor Kibana until the Middleware with the proxy secret exists, and then only as the user', async () => {
      const { received, get, api } = await startTestBed({}, cleanup)
      for (const host of Object.values(hosts)) assert.equal((await get(host, '/app/home')).statusCode, 404)
      assert.deepEqual([received.kibana, received.identityProvider], [[], []])

      api.add(secretMiddleware)
      const forged = {
        'remote-user': 'mallory',
        remote_user: 'mallory',
        'es-security-runas-user': 'mallory',
        'x-elastauth-proxy-secret': 'forged',
        'x-original-url': 'https://other.example.com/',
      }
      for (const host of Object.values(hosts)) {
        while ((await get(host, '/app/home')).statusCode === 404) await sleep(50)
        assert.equal((await get(host, '/app/home', forged)).statusCode, 200, host)
        for (const headers of [received.kibana.at(-1)!, received.identityProvider.at(-1)!])
          assert.deepEqual(
            Object.keys(forged).filter((name) => name in headers),
            [],
            host,
          )
        assert.equal(parseBasic(received.kibana.at(-1)!.authorization).username, 'alice')
      }
    })

    test('with sign-in through elastauth, its pages are reachable, Kibana gets no cookie, and Log out leads to elastauth', async () => {
      const users = { alice: { password_hash: hashSync('password', 10) } }
      const signIn = { auth_provider: 'users', 'users.inline': JSON.stringify(users) }
      const { received, get, api } = await startTestBed(signIn, cleanup, { auth_provider: 'users' })
      api.add(secretMiddleware)
      for (const host of Object.values(hosts)) {
        while ((await get(host, '/app/home')).statusCode === 404) await sleep(50)
        assert.equal((await get(host, '/app/home')).statusCode, 401, host)
        const page = await get(host, '/elastauth/signed-out', { accept: 'text/html' })
        assert.match(page.text, /<title>/, host)
        for (const path of ['/elastauth/ready', '/elastauth/metrics'])
          assert.equal((await get(host, path)).statusCode, 401, `${host}${path}`)
        for (const path of ['/logout', '/api/security/logout']) {
          const { statusCode, headers } = await get(host, path)
          assert.equal(statusCode, 302, `${host}${path}`)
          assert.match(String(headers.location), /\/elastauth\/logout$/)
        }
        const basic = { authorization: `Basic ${btoa('alice:password')}`, cookie: 'sid=1' }
        assert.equal((await get(host, '/app/home', basic)).statusCode, 200, host)
      }
      assert.equal(received.kibana.length, 2)
      assert.ok(received.kibana.every(({ cookie }) => cookie === undefined))
    })

    test('a client cannot assert an identity to a provider that reads headers with configured names, even if people sign in through elastauth', async () => {
      const users = { alice: { password_hash: hashSync('password', 10) } }
      const signIn = { auth_providers: 'users,headers', 'headers.username': 'X-Login' }
      const { received, get, api } = await startTestBed({ ...signIn, 'users.inline': JSON.stringify(users) }, cleanup, {
        auth_providers: ['users', 'headers'],
        headers: { username: 'X-Login' },
      })
      api.add(secretMiddleware)
      for (const host of Object.values(hosts)) {
        while ((await get(host, '/app/home')).statusCode === 404) await sleep(50)
        for (const name of ['x-login', 'x_login'])
          assert.equal((await get(host, '/app/home', { [name]: 'mallory' })).statusCode, 401, `${host} ${name}`)
      }
      assert.deepEqual(received.kibana, [])
    })
  })
}

/** Traefik with a Kubernetes API that has the chart's objects, an identity provider that knows alice, elastauth and Kibana. */
async function startTestBed(
  flags: Readonly<Record<string, string>>,
  cleanup: AsyncDisposableStack,
  config: object = {},
) {
  const received: Record<'identityProvider' | 'kibana', IncomingHttpHeaders[]> = { identityProvider: [], kibana: [] }
  const identityProvider = createServer(({ headers }, response) => {
    received.identityProvider.push(headers)
    response.setHeader('Remote-User', 'alice').setHeader('Remote-Groups', 'users').end()
  })
  const kibana = createServer(({ headers }, response) => {
    received.kibana.push(headers)
    response.end('Kibana')
  })
  const signIn = 'users.inline' in flags
  const { 'users.inline': inline = '', ...rest } = flags
  const gateway = await startGateway({
    flags: {
      'elasticsearch.dry_run': 'true',
      default_roles: 'viewer',
      ...rest,
      ...(signIn && { 'forward_auth.listen': '127.0.0.1:0' }),
    },
    env: { ELASTAUTH_PROXY_SECRET: proxySecret, ...(signIn && { ELASTAUTH_USERS_INLINE: inline }) },
  })
  cleanup.defer(async () => void (await gateway.stop()))
  const address = new URL(gateway.url).host
  const subRequests = signIn ? new URL(await subRequestUrlOf(gateway)).host : address
  const traefik = {
    ...routes.traefik,
    identityProvider: `http://${await listen(identityProvider, cleanup)}/`,
  }
  const rendered = JSON.stringify(renderChart({ values: { ...routes, traefik, config } }))
    .replace('elastauth.elastic.svc:5000', subRequests)
    .replace('elastauth.elastic.svc:5001', subRequests)
  const gatewayPort = await findFreePort()
  const kibanaAddress = await listen(kibana, cleanup)
  const api = createKubernetesApi([
    ...(JSON.parse(rendered) as KubernetesObject[]),
    ...clusterObjects({ elastauth: address, 'kibana-kb-http': kibanaAddress }, gatewayPort),
  ])
  const apiUrl = `http://${await listen(api.server, cleanup)}`
  const proxy = createTraefik(() => '', { host: 'ready.example.com', path: '/' })
  const backends = { authelia: '', elastauth: '', kibana: '', proxySecret }
  const { port } = await startRealProxy(
    {
      ...proxy,
      command: ({ port }) => ({
        args: [
          `--entrypoints.websecure.address=127.0.0.1:${port}`,
          `--entrypoints.gateway.address=127.0.0.1:${gatewayPort}`,
          ...['crd', 'ingress', 'gateway'].map((name) => `--providers.kubernetes${name}.endpoint=${apiUrl}`),
          '--global.checknewversion=false',
        ],
        files: {},
      }),
    },
    backends,
    cleanup,
  )

  received.kibana.length = 0 // Traefik's own readiness

  async function get(host: string, path: string, headers: Readonly<Record<string, string>> = {}) {
    const entryPoint = host === hosts.HTTPRoute ? gatewayPort : port
    const response = await request(`http://127.0.0.1:${entryPoint}${path}`, { headers: { host, ...headers } })
    return { statusCode: response.statusCode, headers: response.headers, text: await response.body.text() }
  }
  return { received, get, api }
}

/** What a cluster has beside the chart's objects. */
function clusterObjects(services: Readonly<Record<string, Address>>, gatewayPort: number): KubernetesObject[] {
  const gateway = 'gateway.networking.k8s.io/v1'
  const listener = { name: 'web', protocol: 'HTTP', port: gatewayPort, allowedRoutes: { namespaces: { from: 'Same' } } }
  const ports = [{ name: 'http', port: 5601, targetPort: 5601, protocol: 'TCP' }]
  const backend = { service: { name: 'kibana-kb-http', port: { number: 5601 } } }
  return [
    ...Object.entries(services).map(([name, address]) => endpointsOf(name, address)),
    object('v1', 'Namespace', 'elastic'),
    object('v1', 'Service', 'kibana-kb-http', { spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', ports } }),
    object(gateway, 'GatewayClass', 'traefik', { spec: { controllerName: 'traefik.io/gateway-controller' } }),
    object(gateway, 'Gateway', 'public', { spec: { gatewayClassName: 'traefik', listeners: [listener] } }),
    // Traefik routes this host as soon as it has read both the Ingresses and the middlewares.
    object('networking.k8s.io/v1', 'Ingress', 'ready', {
      annotations: { 'traefik.ingress.kubernetes.io/router.middlewares': 'elastic-elastauth-strip@kubernetescrd' },
      spec: { rules: [{ host: 'ready.example.com', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
    }),
  ]
}

function endpointsOf(name: string, address: Address): KubernetesObject {
  const [ip, port] = address.split(':')
  return object('discovery.k8s.io/v1', 'EndpointSlice', name, {
    labels: { 'kubernetes.io/service-name': name },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: Number(port), protocol: 'TCP' }],
    endpoints: [{ addresses: [ip], conditions: { ready: true, serving: true } }],
  })
}

type Fields = Readonly<{ annotations?: object; labels?: object; [field: string]: unknown }>

function object(
  apiVersion: string,
  kind: string,
  name: string,
  { annotations, labels, ...fields }: Fields = {},
): KubernetesObject {
  return { apiVersion, kind, metadata: { name, namespace: 'elastic', generation: 1, annotations, labels }, ...fields }
}
