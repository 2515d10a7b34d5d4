import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { createServer } from 'node:tls'
import { request } from 'undici'
import { parseAllDocuments } from 'yaml'
import { createCertificateAuthority } from '../support/elasticsearch/certificates.ts'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { type Gateway, startGateway, testKey } from '../support/gateway.ts'
import { chart, findObject, type KubernetesObject, renderChart, skipWithoutHelm } from '../support/helm.ts'
import { startOidcProvider } from '../support/oidc/provider.ts'
import { redisFlags } from '../support/redis/flags.ts'
import { skipWithoutRedis, startRedis } from '../support/redis/server.ts'
import { portOf, startUpstream } from '../support/upstream.ts'
import { runElastauth } from './elastauth-command.ts'

const proxySecret = 'a-secret-of-the-tests-for-the-proxy'
/** As the first lines of the example say. */
const gatewayFiles = ['values-oidc-proxy.yaml', '../../../examples/gateway-api/values.yaml']
const probes = ['startupProbe', 'livenessProbe', 'readinessProbe']

describe('the Helm chart', { skip: skipWithoutHelm() }, () => {
  const objects = skipWithoutHelm() ? [] : renderChart()
  const withTraefik = skipWithoutHelm() ? [] : renderChart({ values: traefikValues() })
  const pod = () => findObject(objects, 'Deployment').spec.template.spec
  const container = () => pod().containers[0]

  test('the pod runs as an unprivileged user with a read-only root, no capabilities, no service account token and the default seccomp profile', () => {
    assert.deepEqual(container().securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    const { runAsNonRoot, runAsUser, seccompProfile } = pod().securityContext
    assert.deepEqual([runAsNonRoot, runAsUser, seccompProfile.type], [true, 65534, 'RuntimeDefault'])
    assert.equal(pod().automountServiceAccountToken, false)
    assert.equal(findObject(objects, 'ServiceAccount').automountServiceAccountToken, false)
    assert.match(readFileSync(join(chart, '../../../Dockerfile'), 'utf8'), /^USER 65534:65534$/m)
  })

  test('the chart contains no secret values, and elastauth reads every secret from the mounted Secret', () => {
    const mounts = Object.fromEntries(container().volumeMounts.map((mount: { name: string }) => [mount.name, mount]))
    assert.deepEqual(mounts.secrets, { name: 'secrets', mountPath: '/secrets', readOnly: true })
    const variables: { name: string; value: string }[] = container().env
    assert.deepEqual(
      variables.filter(({ value }) => !value.startsWith('/secrets/')).map(({ name }) => name),
      ['ELASTAUTH_LISTEN'],
    )
    assert.ok(objects.every(({ kind }) => kind !== 'Secret'))
  })

  test('elastauth starts with the default values, all probes succeed, and an identity needs the proxy secret', async () => {
    const authority = createCertificateAuthority()
    const elasticsearch = await startElasticsearch(authority)
    const gateway = await startPod(objects, {
      secrets: { 'secret-key': testKey, 'elasticsearch-password': 'changeme', 'proxy-secret': proxySecret },
      certificates: { 'elasticsearch/ca.crt': authority.cert },
      ports: { 'elasticsearch-es-http:9200': elasticsearch },
    })
    const paths = probes.map((probe) => container()[probe].httpGet.path)
    // A shared outage must not take all replicas out of the Service.
    assert.deepEqual(paths, ['/elastauth/ready', '/elastauth/live', '/elastauth/live'])
    await assertProbesSucceed(gateway, container())
    const authenticate = async (headers: Record<string, string>) =>
      (await fetch(gateway.url, { headers: { 'Remote-User': 'alice', ...headers } })).status
    assert.equal(await authenticate({}), 401)
    // Without mapped groups there are no roles.
    assert.equal(await authenticate({ 'X-Elastauth-Proxy-Secret': proxySecret }), 403)
  })

  for (const [name, files] of [
    ['values-oidc-proxy.yaml', ['values-oidc-proxy.yaml']],
    ['the values of examples/gateway-api', gatewayFiles],
  ] as const)
    test(`elastauth starts with ${name} in front of an Elasticsearch and a Kibana with TLS, all probes succeed, and people are sent to the provider`, {
      skip: skipWithoutRedis(),
    }, async () => {
      const rendered = renderChart({ files })
      const elasticsearchAuthority = createCertificateAuthority('CA of elasticsearch')
      const kibanaAuthority = createCertificateAuthority('CA of kibana')
      const kibana = await startUpstream((_, response) => response.end(), {
        tls: kibanaAuthority.issue('kibana', { names: ['kibana-kb-http'] }),
      })
      const provider = await startOidcProvider()
      const redis = await startRedis({ config: ['requirepass hidden'], client: { password: 'hidden' } })
      after(() => Promise.all([provider.stop(), redis.stop()]))
      const gateway = await startPod(rendered, {
        secrets: {
          'secret-key': testKey,
          'elasticsearch-password': 'changeme',
          'oidc-client-secret': provider.clientSecret,
          'redis-password': 'hidden',
        },
        certificates: { 'elasticsearch/ca.crt': elasticsearchAuthority.cert, 'kibana/ca.crt': kibanaAuthority.cert },
        ports: {
          'elasticsearch-es-http:9200': await startElasticsearch(elasticsearchAuthority),
          'kibana-kb-http:5601': kibana.port,
          'redis:6379': redis.port,
        },
        env: {
          ELASTAUTH_OIDC_ISSUER: provider.issuer,
          ELASTAUTH_CACHE_REDIS_TIMEOUT: redisFlags['cache.redis_timeout'],
        },
      })
      await assertProbesSucceed(gateway, findObject(rendered, 'Deployment').spec.template.spec.containers[0])
      const { statusCode, headers, body } = await request(`${gateway.url}/app/home`, {
        headers: { host: 'kibana.example.com', accept: 'text/html', 'x-forwarded-proto': 'https' },
      })
      await body.dump()
      assert.equal(statusCode, 302)
      assert.ok(String(headers.location).startsWith(provider.issuer))
    })

  test('the chart with examples/gateway-api sends all requests from the HTTPS listener of its Gateway to elastauth, without a timeout', () => {
    const rendered = renderChart({ files: gatewayFiles })
    const [, gateway, redirect] = parseAllDocuments(
      readFileSync(join(chart, '../../../examples/gateway-api/gateway.yaml'), 'utf8'),
    ).map((document) => document.toJS())
    const { parentRefs, hostnames, rules } = findObject(rendered, 'HTTPRoute').spec
    const { name, namespace } = gateway.metadata
    assert.deepEqual(parentRefs, [{ name, namespace, sectionName: 'https' }])
    const [https, http] = gateway.spec.listeners
    assert.deepEqual([https.name, https.protocol, http.name, http.protocol], ['https', 'HTTPS', 'http', 'HTTP'])
    for (const hostname of hostnames) assert.ok(hostname.endsWith(https.hostname.slice(1)), hostname)
    const inElastic = {
      matchLabels: { 'kubernetes.io/metadata.name': findObject(rendered, 'HTTPRoute').metadata.namespace },
    }
    assert.deepEqual(https.allowedRoutes.namespaces, { from: 'Selector', selector: inElastic })
    const service = findObject(rendered, 'Service')
    assert.deepEqual(rules, [
      {
        matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        backendRefs: [{ name: service.metadata.name, port: service.spec.ports[0].port }],
        timeouts: { request: '0s' },
      },
    ])
    assert.deepEqual(redirect.spec.parentRefs, [{ name, sectionName: 'http' }])
    assert.ok(rendered.every(({ kind }) => kind !== 'Ingress'))
    assert.deepEqual(findObject(rendered, 'NetworkPolicy').spec.ingress[0].from, [
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
    ])
  })

  test('elastauth accepts the configuration and the variables that ci/everything-values.yaml renders, without a warning', async () => {
    const authority = createCertificateAuthority()
    const { cert, key } = authority.issue('elastauth')
    const { config, env } = mountPod(renderChart({ files: ['ci/everything-values.yaml'] }), {
      secrets: {
        'secret-key': testKey,
        'elasticsearch-password': 'changeme',
        'proxy-secret': proxySecret,
        'oidc-client-secret': 'hidden',
      },
      certificates: {
        'elasticsearch/ca.crt': authority.cert,
        'tls/tls.crt': cert,
        'tls/tls.key': key,
        'tls/ca.crt': authority.cert,
      },
      ports: {},
    })
    const { code, stderr } = await runElastauth(['config', 'check', '--config', config], env)
    assert.deepEqual([code, stderr], [0, ''])
  })

  test("the ForwardAuth address is the Service, and the Service's target port is a container port", () => {
    const { spec: service } = findObject(withTraefik, 'Service')
    const middleware = findObject(withTraefik, 'Middleware', 'elastauth-forward-auth')
    assert.equal(middleware.spec.forwardAuth.address, `http://elastauth.elastic.svc:${service.ports[0].port}/`)
    assert.equal(service.ports[0].targetPort, container().ports[0].name)
  })

  test("the middleware chain strips clients' identity headers before Authelia and elastauth, and again after them", () => {
    const chainOf = (rendered: readonly KubernetesObject[]) =>
      findObject(rendered, 'Middleware', 'elastauth-chain').spec.chain.middlewares.map(
        ({ name }: { name: string }) => name,
      )
    assert.deepEqual(chainOf(withTraefik), [
      'elastauth-strip',
      'elastauth-identity-provider',
      'elastauth-proxy-secret',
      'elastauth-forward-auth',
      'elastauth-strip',
    ])
    assert.deepEqual(
      chainOf(renderChart({ values: { ...traefikValues(), secret: { keys: { proxy_secret: null } } } })),
      ['elastauth-strip', 'elastauth-identity-provider', 'elastauth-forward-auth', 'elastauth-strip'],
    )
    const { headers } = findObject(withTraefik, 'Middleware', 'elastauth-strip').spec
    for (const name of ['User', 'Groups', 'Email', 'Name']) {
      for (const separator of ['-', '_', '.'])
        assert.equal(headers.customRequestHeaders[`Remote${separator}${name}`], '')
    }
    assert.equal(headers.customRequestHeaders['X-Elastauth-Proxy-Secret'], '')
    assert.equal(
      findObject(withTraefik, 'Ingress').metadata.annotations['traefik.ingress.kubernetes.io/router.middlewares'],
      'elastic-elastauth-chain@kubernetescrd',
    )
  })
})

function traefikValues(): object {
  return { traefik: { enabled: true }, ingress: { enabled: true, hosts: ['kibana.example.com'] } }
}

type PodOptions = Readonly<{
  /** The keys of the Secret. */
  secrets: Readonly<Record<string, string>>
  /** Files below /certificates by path. */
  certificates: Readonly<Record<string, string>>
  /** Local ports of the Services that the configuration names as `host:port`. */
  ports: Readonly<Record<string, number>>
  env?: Readonly<Record<string, string>>
}>

/** Runs elastauth with the configuration, variables and mounts of the Deployment, on a free port. */
async function startPod(rendered: readonly KubernetesObject[], options: PodOptions): Promise<Gateway> {
  const { config, env } = mountPod(rendered, options)
  const gateway = await startGateway({
    flags: { config },
    nodeArguments: ['--import', join(import.meta.dirname, '../support/resolver-hook.ts')],
    env: {
      ELASTAUTH_SECRET_KEY: '',
      ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
      ELASTAUTH_TRUSTED_PROXIES: 'loopback', // in a cluster the proxy has a private address
      ...env,
      ...options.env,
    },
  })
  after(() => gateway.stop())
  return gateway
}

/** Writes the ConfigMap and the Secrets of a Deployment. @returns the path of config.yml, and the variables of the container */
function mountPod(rendered: readonly KubernetesObject[], { secrets, certificates, ports }: PodOptions) {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-helm-'))
  after(() => rmSync(directory, { recursive: true }))
  for (const [name, text] of Object.entries(secrets)) writeFileSync(join(directory, name), text, { mode: 0o440 })
  for (const [path, text] of Object.entries(certificates)) {
    mkdirSync(dirname(join(directory, 'certificates', path)), { recursive: true })
    writeFileSync(join(directory, 'certificates', path), text, { mode: 0o440 })
  }
  const names = Object.fromEntries(Object.keys(ports).map((address) => [address.split(':')[0], ['127.0.0.1']]))
  writeFileSync(join(directory, 'names.json'), JSON.stringify(names))
  let text: string = findObject(rendered, 'ConfigMap').data['config.yml']
  text = text.replaceAll('/certificates/', `${directory}/certificates/`)
  for (const [address, port] of Object.entries(ports))
    text = text.replaceAll(address, address.replace(/\d+$/, String(port)))
  writeFileSync(join(directory, 'config.yml'), text)
  const variables: { name: string; value: string }[] = findObject(rendered, 'Deployment').spec.template.spec
    .containers[0].env
  const env = variables.map(({ name, value }) => [
    name,
    value.startsWith('/secrets/') ? join(directory, basename(value)) : value,
  ])
  return {
    config: join(directory, 'config.yml'),
    env: { ...(Object.fromEntries(env) as Record<string, string>), TEST_NAMES: join(directory, 'names.json') },
  }
}

/** A fake Elasticsearch behind TLS, with the name that ECK puts into its certificate. @returns its port */
async function startElasticsearch(authority: ReturnType<typeof createCertificateAuthority>): Promise<number> {
  const fake = createFakeElasticsearch({})
  after(() => fake.close())
  const port = portOf({ url: await fake.listen() })
  const server = createServer(authority.issue('elasticsearch', { names: ['elasticsearch-es-http'] }), (client) => {
    const upstream = connect(port, '127.0.0.1')
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy())
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.pipe(upstream).pipe(client)
  })
  const { promise, resolve } = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', resolve)
  await promise
  after(() => server.close())
  return (server.address() as { port: number }).port
}

// biome-ignore lint/suspicious/noExplicitAny: a container of a Deployment
async function assertProbesSucceed(gateway: Gateway, container: any): Promise<void> {
  for (const probe of probes) {
    const { path, port, scheme } = container[probe].httpGet
    assert.deepEqual([port, scheme], [container.ports[0].name, 'HTTP'])
    const response = await fetch(gateway.url + path)
    assert.equal(response.status, 200, gateway.output())
  }
}
