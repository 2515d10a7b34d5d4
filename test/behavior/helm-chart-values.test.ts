import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { findObject, type KubernetesObject, renderChart, skipWithoutHelm } from '../support/helm.ts'
import { alertingRules } from '../support/monitoring.ts'

const everything = { files: ['ci/everything-values.yaml'] }
const coreKinds = [
  'ConfigMap',
  'Deployment',
  'HorizontalPodAutoscaler',
  'NetworkPolicy',
  'PodDisruptionBudget',
  'Service',
  'ServiceAccount',
]

describe('the values of the Helm chart', { skip: skipWithoutHelm() }, () => {
  test('the default values render only kinds that every cluster has, even in a cluster with custom resources', () => {
    const objects = renderChart()
    assert.deepEqual(objects.map(({ kind }) => kind).sort(), coreKinds)
    const others = ['monitoring.coreos.com/v1', 'traefik.io/v1alpha1', 'gateway.networking.k8s.io/v1']
    assert.deepEqual(renderChart({ flags: others.flatMap((version) => ['--api-versions', version]) }), objects)
  })

  test('config.yml has the values of `config` unchanged, with quotes, line breaks, braces and words that YAML 1.1 reads as other types', () => {
    const values = {
      pages: { support: `"it's" {{ .Values.x }} \${HOME}\n  two: lines # no comment\n` },
      group_mappings: { 'team-*': ['{group}-reader'], no: ['0660'], 'a: b': ['yes', '1e3', '~', 'ünïcode \u{1f511}'] },
      listen_mode: '0660',
      max_connections: 12_345_678,
    }
    const config = parse(findObject(renderChart({ values: { config: values } }), 'ConfigMap').data['config.yml'])
    for (const [key, value] of Object.entries(values)) assert.deepEqual(config[key], value, key)
  })

  test('a changed configuration changes an annotation of the pods, so that new pods start, and other changed values do not', () => {
    const checksumOf = (values: object) =>
      findObject(renderChart({ values }), 'Deployment').spec.template.metadata.annotations['checksum/config']
    assert.notEqual(checksumOf({ config: { log_level: 'debug' } }), checksumOf({}))
    assert.equal(checksumOf({ replicaCount: 5 }), checksumOf({}))
  })

  test('two releases in one namespace share neither an object nor a pod, even with the longest names', () => {
    const prefix = 'r'.repeat(52)
    const [first, second] = ['1', '2'].map((suffix) => renderChart({ ...everything, release: prefix + suffix })) as [
      readonly KubernetesObject[],
      readonly KubernetesObject[],
    ]
    const names = [...first, ...second].map(({ kind, metadata }) => `${kind}/${metadata.name}`)
    // everything-values.yaml sets the name of the ServiceAccount.
    assert.equal(new Set(names).size, names.length - 1)
    const labelsOf = (objects: readonly KubernetesObject[]) =>
      findObject(objects, 'Deployment').spec.template.metadata.labels
    for (const { kind, metadata, spec } of first) {
      assert.ok(kind !== 'Service' || metadata.name.length <= 63, metadata.name)
      for (const value of Object.values<string>(metadata.labels)) assert.ok(value.length <= 63, value)
      for (const selector of selectorsOf(kind, spec)) {
        assert.ok(isSelected(selector, labelsOf(first)), kind)
        assert.ok(!isSelected(selector, labelsOf(second)), kind)
      }
    }
  })

  test('names that look like numbers stay strings', () => {
    const flags = ['--namespace', '1234']
    const objects = renderChart({ ...everything, release: '1e3', flags, values: { fullnameOverride: '5678' } })
    for (const { kind, metadata } of objects) {
      assert.equal(metadata.namespace, '1234', kind)
      assert.equal(typeof metadata.name, 'string', kind)
      assert.equal(metadata.labels['app.kubernetes.io/instance'], '1e3', kind)
    }
  })

  test('the network policy lets only the proxy reach port http, and only Prometheus reach the metrics', () => {
    const ingressOf = (values: object) => findObject(renderChart({ values }), 'NetworkPolicy').spec.ingress
    const peer = (namespace: string) => [
      { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
    ]
    const toHttp = { from: peer('traefik'), ports: [{ port: 'http', protocol: 'TCP' }] }
    const toMetrics = { from: peer('monitoring'), ports: [{ port: 'metrics', protocol: 'TCP' }] }
    assert.deepEqual(ingressOf({}), [toHttp])
    assert.deepEqual(ingressOf({ metrics: { enabled: true } }), [toHttp, toMetrics])
    // To Kubernetes, an empty `from` is everyone.
    const noPeers = { networkPolicy: { ingress: { proxy: [], prometheus: [] } }, metrics: { enabled: true } }
    assert.equal(ingressOf(noPeers), null)
    const { spec } = findObject(renderChart({ values: noPeers }), 'NetworkPolicy')
    assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress'])
  })

  test('the name of a rule for egress, and an annotation of the name that the chart uses, add nothing to the objects', () => {
    const toAll = 'x\n    - to: [{ ipBlock: { cidr: 0.0.0.0/0 } }]\n    #'
    const to = [{ ipBlock: { cidr: '192.0.2.0/24' } }]
    const values = { networkPolicy: { egress: { [toAll]: { to } } }, podAnnotations: { 'checksum/config': 'x' } }
    const objects = renderChart({ values })
    const { egress } = findObject(objects, 'NetworkPolicy').spec
    assert.equal(egress.length, findObject(renderChart(), 'NetworkPolicy').spec.egress.length + 1)
    assert.deepEqual(egress.at(-1), { to })
    const { annotations } = findObject(objects, 'Deployment').spec.template.metadata
    assert.match(annotations['checksum/config'], /^[0-9a-f]{64}$/)
  })

  test('the PrometheusRule has the alerting rules of deploy/monitoring, for the job of the ServiceMonitor and with the given runbooks', () => {
    const objects = renderChart(everything)
    const { spec } = findObject(objects, 'ServiceMonitor')
    const service = objects.find(({ metadata }) => metadata.name === 'elastauth-gateway-metrics')!
    const job = service.metadata.labels[spec.jobLabel]
    assert.equal(job, 'gateway')
    assert.ok(isSelected(spec.selector.matchLabels, service.metadata.labels))
    assert.equal(service.spec.ports[0].name, spec.endpoints[0].port)
    const text = JSON.stringify(alertingRules)
      .replaceAll('job=\\"elastauth\\"', `job=\\"${job}\\"`)
      .replaceAll('https://elastauth.example.com/', 'https://git.example.org/elastauth/')
    assert.deepEqual(findObject(objects, 'PrometheusRule').spec.groups[0].rules, JSON.parse(text))
    const withoutRunbooks = renderChart({ ...everything, values: { metrics: { prometheusRule: { runbookUrl: '' } } } })
    for (const { annotations } of findObject(withoutRunbooks, 'PrometheusRule').spec.groups[0].rules)
      assert.deepEqual(Object.keys(annotations).sort(), ['description', 'summary'])
  })

  test('with sign-in in auth-only mode, browsers reach only the pages, and sub-requests go to a port that no route leads to', () => {
    const objects = renderChart(everything)
    const service = findObject(objects, 'Service', 'elastauth-gateway')
    const forwardAuth = service.spec.ports.find(({ name }: { name: string }) => name === 'forward-auth')
    const { address } = findObject(objects, 'Middleware', 'elastauth-gateway-forward-auth').spec.forwardAuth
    assert.equal(new URL(address).port, String(forwardAuth.port))
    const backends = objects
      .filter(({ kind }) => kind === 'Ingress')
      .flatMap(({ spec }) => spec.rules.flatMap(({ http }: { http: { paths: { backend: object }[] } }) => http.paths))
      .map(({ path, backend }) => [path, `${backend.service.name}:${backend.service.port.number}`])
    for (const [path, backend] of backends) assert.equal(backend, path === '/' ? 'kibana:80' : 'elastauth-gateway:443')
    const routed = findObject(objects, 'HTTPRoute').spec.rules.flatMap(
      ({ backendRefs = [] }: { backendRefs?: { name: string; port: number }[] }) =>
        backendRefs.map(({ name, port }) => `${name}:${port}`),
    )
    assert.deepEqual(routed, ['elastauth-gateway:443', 'kibana:80'])
  })

  for (const [description, config, identityHeaders] of headerProviders()) {
    test(`with ${description}, Traefik passes on the identity headers of its identity provider only, and strips those of clients in every spelling`, () => {
      const objects = renderChart({ values: { config, traefik: { enabled: true } } })
      const { spec } = findObject(objects, 'Middleware', 'elastauth-identity-provider')
      assert.deepEqual(spec.forwardAuth.authResponseHeaders, identityHeaders)
      const { customRequestHeaders } = findObject(objects, 'Middleware', 'elastauth-strip').spec.headers
      for (const name of [...identityHeaders, 'Remote-User', 'X-authentik-username'])
        for (const separator of ['-', '_', '.']) assert.equal(customRequestHeaders[name.replaceAll('-', separator)], '')
    })
  }

  test('Traefik strips identity headers with configured names even if people sign in through elastauth, because another provider may read them', () => {
    const values = { config: { auth_providers: ['users', 'headers'], headers: { username: 'X-Login' } } }
    const objects = renderChart({ values: { ...values, traefik: { enabled: true } } })
    const { customRequestHeaders } = findObject(objects, 'Middleware', 'elastauth-strip').spec.headers
    for (const name of ['X-Login', 'X_Login', 'X.Login', 'X-Forwarded-Groups'])
      assert.equal(customRequestHeaders[name], '', name)
  })

  test('Traefik asks the identity provider in proxy mode too, and asks none without a provider that reads identity headers', () => {
    const chainOf = (config: object) =>
      findObject(
        renderChart({ values: { config, traefik: { enabled: true } } }),
        'Middleware',
        'elastauth-chain',
      ).spec.chain.middlewares.map(({ name }: { name: string }) => name.replace('elastauth-', ''))
    assert.deepEqual(chainOf({ proxy: { enabled: true } }), ['strip', 'identity-provider', 'proxy-secret'])
    assert.deepEqual(chainOf({ auth_provider: 'oidc', proxy: { enabled: true } }), ['strip', 'proxy-secret'])
    const withoutProvider = ['strip', 'proxy-secret', 'forward-auth', 'strip']
    assert.deepEqual(chainOf({ auth_provider: 'elasticsearch' }), withoutProvider)
    assert.deepEqual(chainOf({ auth_providers: ['oidc'], oidc: { login: false } }), withoutProvider)
  })

  test('an annotation of the user cannot remove the middlewares from the Ingress', () => {
    const name = 'traefik.ingress.kubernetes.io/router.middlewares'
    const ingress = { enabled: true, hosts: ['kibana.example.com'], annotations: { [name]: '' } }
    const objects = renderChart({ values: { traefik: { enabled: true }, ingress } })
    assert.equal(findObject(objects, 'Ingress').metadata.annotations[name], 'elastic-elastauth-chain@kubernetescrd')
  })

  test('without secret.keys, no Secret is mounted, and variables in extraEnv name files of another mount', () => {
    const noKeys = { secret_key: null, 'elasticsearch.password': null, proxy_secret: null }
    const extraEnv = [{ name: 'ELASTAUTH_SECRET_KEY_FILE', value: '/vault/secret-key' }]
    const { spec } = findObject(renderChart({ values: { secret: { keys: noKeys }, extraEnv } }), 'Deployment')
    const { containers, volumes } = spec.template.spec
    assert.ok(volumes.every(({ name }: { name: string }) => name !== 'secrets'))
    assert.deepEqual(containers[0].env.slice(1), extraEnv)
  })

  test('a Service for clients outside the cluster is accepted if only the client certificate of the proxy is trusted', () => {
    const config = { trusted_proxies: ['client_cert'], tls: { client_ca: '/certificates/tls/ca.crt' } }
    const values = { config, secret: { keys: { proxy_secret: null } }, service: { type: 'NodePort' } }
    assert.equal(findObject(renderChart({ values }), 'Service').spec.type, 'NodePort')
  })

  for (const [description, values, message] of rejected()) {
    test(`${description} is rejected with a message that says what to do`, () => {
      assert.throws(() => renderChart({ values }), message)
    })
  }
})

function headerProviders(): [description: string, config: object, identityHeaders: string[]][] {
  const authentik = ['username', 'groups', 'email', 'name'].map((name) => `X-authentik-${name}`)
  const authelia = ['Remote-Groups', 'Remote-Email', 'Remote-Name']
  const own = { username: 'X-Login', groups: 'X-Teams' }
  return [
    ['authelia', {}, ['Remote-User', ...authelia]],
    ['authentik', { auth_provider: 'authentik' }, authentik],
    ['elasticsearch and authentik', { auth_providers: ['elasticsearch', 'authentik'] }, authentik],
    [
      'headers of its own',
      { auth_provider: 'headers', headers: own },
      ['X-Login', 'X-Teams', 'X-Forwarded-Email', 'X-Forwarded-Preferred-Username'],
    ],
    ['a header without a hyphen', { headers: { username: 'RemoteUser' } }, ['RemoteUser', ...authelia]],
    ['a header with an underscore', { headers: { username: 'X_Login' } }, ['X_Login', ...authelia]],
    ['one header replaced', { headers: { username: 'X-Login' } }, ['X-Login', ...authelia]],
    ['one header replaced by its older key', { authelia: { header_username: 'X-Login' } }, ['X-Login', ...authelia]],
  ]
}

function rejected(): [description: string, values: object, message: RegExp][] {
  const proxy = (peer: object) => ({ networkPolicy: { ingress: { proxy: [peer] } } })
  const headersInProxyMode = { config: { proxy: { enabled: true } }, secret: { keys: { proxy_secret: null } } }
  const allPods = /networkPolicy\.ingress\.proxy\[0\] allows every pod: name the pods/
  return [
    ['an unknown value', { replicas: 3 }, /additional properties 'replicas' not allowed/],
    ['an unknown nested value', { metrics: { port: 1 } }, /at '\/metrics': additional properties 'port' not allowed/],
    [
      'a secret in the configuration',
      { config: { oidc: { client_secret: 'hidden' } } },
      /config\.oidc\.client_secret is a secret, .*: put it into the Secret, and map it to its key there in secret\.keys/,
    ],
    [
      'a secret in the configuration with a dotted key',
      { config: { 'oidc.client_secret': 'hidden' } },
      /config\.oidc\.client_secret is a secret/,
    ],
    [
      "a secret in the configuration with the Go elastauth's name",
      { config: { elasticsearch_password: 'hidden' } },
      /config\.elasticsearch_password is a secret/,
    ],
    [
      'a credential in the headers of a route',
      { config: { proxy: { routes: [{ path: '/', headers: { authorization: 'Basic hidden' } }] } } },
      /config\.proxy\.routes\[0\]\.headers has a secret, .*: set ELASTAUTH_PROXY_ROUTES in extraEnv, from a Secret/,
    ],
    [
      'a password in a URL',
      { config: { elasticsearch: { hosts: ['https://elastic:hidden@elasticsearch:9200'] } } },
      /config has a URL with a password, .*: remove it, put the password into the Secret, and map its key/,
    ],
    [
      'a secret in the environment',
      { extraEnv: [{ name: 'ELASTAUTH_SECRET_KEY', value: 'hidden' }] },
      /ELASTAUTH_SECRET_KEY is a secret, .*: use secret\.keys/,
    ],
    [
      "the Go elastauth's name of a header, which the chart would not read,",
      { config: { headers_username: 'X-Login' } },
      /config: headers_username is an old name, which the chart does not read: write headers: \{ username: … \}/,
    ],
    [
      'a configuration key in the environment, which the chart would not read,',
      { extraEnv: [{ name: 'ELASTAUTH_HEADERS_USERNAME', value: 'X-Login' }] },
      /extraEnv: ELASTAUTH_HEADERS_USERNAME is a configuration key: set it in config, which the chart reads/,
    ],
    [
      'a second file for a secret',
      { extraEnv: [{ name: 'ELASTAUTH_PROXY_SECRET_FILE', value: '' }] },
      /extraEnv: ELASTAUTH_PROXY_SECRET_FILE is set by secret\.keys\.proxy_secret: remove one of them/,
    ],
    [
      'a name with a dot, which Kubernetes rejects as that of a Service,',
      { nameOverride: 'sso.example' },
      /elastauth-sso\.example cannot be the name of a Service: set fullnameOverride to one without dots/,
    ],
    [
      'an unknown secret key',
      { secret: { keys: { 'oidc.secret': 'x' } } },
      /oidc\.secret is not a secret of elastauth: .* one of .*oidc\.client_secret/,
    ],
    [
      'a path as the key of a Secret',
      { secret: { keys: { secret_key: '../x' } } },
      /'\/secret\/keys\/secret_key': '..\/x' does not match pattern/,
    ],
    [
      'a key with dots, which would hide the mode from the chart,',
      { config: { 'proxy.enabled': true } },
      /config: write proxy\.enabled as nested keys, without dots/,
    ],
    [
      'a value where the configuration has a map',
      { config: { proxy: true } },
      /at '\/config\/proxy': got boolean, want/,
    ],
    [
      'a text where the configuration has a list',
      { config: { auth_providers: 'oidc' } },
      /auth_providers': got string, want/,
    ],
    [
      'a map instead of a list of routes',
      { config: { proxy: { routes: {} } } },
      /at '\/config\/proxy\/routes': got object, want/,
    ],
    ['a route that is not a map', { config: { proxy: { routes: ['a'] } } }, /routes\/0': got string, want object/],
    [
      'a text instead of the headers of a route',
      { config: { proxy: { routes: [{ headers: 'a' }] } } },
      /headers': got string, want/,
    ],
    ['an address to listen on', { config: { listen: ':80' } }, /config\.listen is set by the chart: remove it/],
    [
      'metrics in the configuration',
      { config: { enable_metrics: true } },
      /enable_metrics is set by the chart: remove it, and set metrics\.enabled/,
    ],
    [
      'a required client certificate',
      { config: { tls: { client_auth: 'require' } } },
      /the probes of Kubernetes have no certificate: use request/,
    ],
    ['null for a map', { secret: { keys: null } }, /at '\/secret': missing property 'keys'/],
    ['null for a list', { ingress: { tls: null } }, /at '\/ingress': missing property 'tls'/],
    ['a peer that is every pod', proxy({ namespaceSelector: {} }), allPods],
    ['a peer without a selector', proxy({}), allPods],
    ['a peer with an empty list of labels', proxy({ podSelector: { matchLabels: {} } }), /minProperties/],
    ['a peer that is every address', proxy({ ipBlock: { cidr: '0.0.0.0/0' } }), allPods],
    ['egress to everything', { networkPolicy: { egress: { any: { to: [] } } } }, /minItems/],
    [
      'a Service for clients outside the cluster without the proxy secret',
      { service: { type: 'LoadBalancer' }, secret: { keys: { proxy_secret: null } } },
      /service\.type LoadBalancer would let clients .* act as any user: use ClusterIP/,
    ],
    [
      'an Ingress to identity headers that nothing strips',
      { ...headersInProxyMode, ingress: { enabled: true, hosts: ['kibana.example.com'] } },
      /ingress\.enabled would let every client act as any user: set traefik\.enabled, or secret\.keys\.proxy_secret/,
    ],
    [
      'an HTTPRoute to identity headers that nothing strips',
      {
        ...headersInProxyMode,
        httpRoute: { enabled: true, hostnames: ['kibana.example.com'], parentRefs: [{ name: 'a' }] },
      },
      /httpRoute\.enabled would let every client act as any user/,
    ],
    [
      'a Service for clients outside the cluster with identity headers in proxy mode',
      { ...headersInProxyMode, service: { type: 'NodePort' } },
      /service\.type NodePort would let clients .* act as any user/,
    ],
    [
      'a Service for clients outside the cluster that does not require the client certificate of the proxy',
      {
        config: { trusted_proxies: ['client_cert', 'private'], tls: { client_ca: '/certificates/tls/ca.crt' } },
        secret: { keys: { proxy_secret: null } },
        service: { type: 'NodePort' },
      },
      /service\.type NodePort would let clients .* act as any user: .* or trusted_proxies: \[client_cert\]/,
    ],
    [
      'a peer that is every address with identity headers in proxy mode',
      { ...headersInProxyMode, ...proxy({ ipBlock: { cidr: '::/0' } }) },
      allPods,
    ],
    [
      'the port of sub-requests for the Service',
      { service: { port: 5001 }, config: { auth_provider: 'oidc' } },
      /service\.port is 5001, which is the port of sub-requests: use another one/,
    ],
    ['an Ingress without hosts', { ingress: { enabled: true } }, /ingress\.hosts is required/],
    [
      'an Ingress that would publish Kibana without sign-on',
      { ingress: { enabled: true, hosts: ['kibana.example.com'] } },
      /ingress\.enabled needs traefik\.enabled in auth-only mode/,
    ],
    [
      'an HTTPRoute without a Gateway',
      { traefik: { enabled: true }, httpRoute: { enabled: true, hostnames: ['kibana.example.com'] } },
      /httpRoute\.parentRefs is required/,
    ],
    [
      'a ServiceMonitor without metrics',
      { metrics: { serviceMonitor: { enabled: true } } },
      /metrics\.serviceMonitor\.enabled needs metrics\.enabled/,
    ],
    ['an image digest that is not one', { image: { digest: 'latest' } }, /'\/image\/digest': 'latest' does not match/],
  ]
}

// biome-ignore lint/suspicious/noExplicitAny: the spec of any kind
function selectorsOf(kind: string, spec: any): Readonly<Record<string, string>>[] {
  if (kind === 'Service') return [spec.selector]
  if (kind === 'NetworkPolicy') return [spec.podSelector.matchLabels]
  return ['Deployment', 'PodDisruptionBudget'].includes(kind) ? [spec.selector.matchLabels] : []
}

function isSelected(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value)
}
