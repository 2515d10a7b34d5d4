import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { createFakeElasticsearch } from '../support/fake-elasticsearch/fake-elasticsearch.ts'
import { startGateway, testKey } from '../support/gateway.ts'

const folder = join(import.meta.dirname, '../../deploy/kubernetes')
const read = (path: string) => readFileSync(join(folder, path), 'utf8')
const { spec: pod } = parse(read('base/deployment.yaml')).spec.template
const [container] = pod.containers
const { spec: service } = parse(read('base/service.yaml'))

test('the pod runs as an unprivileged user with a read-only root, no capabilities, no service account token and the default seccomp profile', () => {
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  const { runAsNonRoot, runAsUser, seccompProfile } = pod.securityContext
  assert.deepEqual([runAsNonRoot, runAsUser, seccompProfile.type], [true, 65534, 'RuntimeDefault'])
  assert.equal(pod.automountServiceAccountToken, false)
  assert.match(readFileSync(join(folder, '../../Dockerfile'), 'utf8'), /^USER 65534:65534$/m)
})

test('the manifests contain no secret values, and elastauth reads every secret from the mounted Secret', () => {
  const mounts = Object.fromEntries(container.volumeMounts.map((mount: { name: string }) => [mount.name, mount]))
  assert.deepEqual(mounts.secrets, { name: 'secrets', mountPath: '/secrets', readOnly: true })
  for (const { name, value } of container.env) assert.ok(value.startsWith('/secrets/'), name)
})

test('elastauth starts with the configuration of the manifests, and all probes succeed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-kubernetes-'))
  after(() => rmSync(directory, { recursive: true }))
  for (const [name, text] of Object.entries({ 'secret-key': testKey, 'elasticsearch-password': 'changeme' }))
    writeFileSync(join(directory, name), text, { mode: 0o440 })
  const fakeElasticsearch = createFakeElasticsearch({})
  after(() => fakeElasticsearch.close())
  // the fake Elasticsearch does not support TLS
  const variables: { name: string; value: string }[] = container.env.filter(
    ({ name }: { name: string }) => !name.endsWith('_CA_CERT'),
  )
  const env = Object.fromEntries(
    variables.map(({ name, value }) => [
      name,
      value.startsWith('/secrets/') ? join(directory, basename(value)) : value,
    ]),
  )
  const gateway = await startGateway({
    flags: { config: join(folder, 'base/config.yml'), 'elasticsearch.hosts': await fakeElasticsearch.listen() },
    env: { ...env, ELASTAUTH_SECRET_KEY: '', ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic' },
  })
  after(() => gateway.stop())
  const paths = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => container[probe].httpGet.path)
  // A shared outage must not take all replicas out of the Service.
  assert.deepEqual(paths, ['/elastauth/ready', '/elastauth/live', '/elastauth/live'])
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { path, port } = container[probe].httpGet
    assert.equal(port, container.ports[0].name)
    assert.equal((await fetch(gateway.url + path)).status, 200, probe)
  }
})

test("the ForwardAuth address is the Service, and the Service's target port is a container port", () => {
  const [middleware] = parseAllDocuments(read('traefik/middleware.yaml'))
    .map((document) => document.toJS())
    .filter(({ metadata }) => metadata.name === 'elastauth')
  assert.equal(middleware.spec.forwardAuth.address, `http://elastauth:${service.ports[0].port}/`)
  assert.equal(service.ports[0].targetPort, container.ports[0].name)
})

test("the middleware chain strips clients' identity headers before Authelia and elastauth, and again after them", () => {
  const documents = parseAllDocuments(read('traefik/middleware.yaml')).map((document) => document.toJS())
  const chain = documents.find(({ spec }) => spec.chain)
  const names = chain.spec.chain.middlewares.map(({ name }: { name: string }) => name)
  assert.deepEqual(names, ['strip', 'authelia', 'elastauth', 'strip'])
  const { headers } = documents.find(({ metadata }) => metadata.name === 'strip').spec
  for (const name of ['User', 'Groups', 'Email', 'Name']) {
    for (const separator of ['-', '_', '.']) assert.equal(headers.customRequestHeaders[`Remote${separator}${name}`], '')
  }
  const ingress = parse(read('traefik/ingress.yaml'))
  assert.equal(
    ingress.metadata.annotations['traefik.ingress.kubernetes.io/router.middlewares'],
    `elastic-${chain.metadata.name}@kubernetescrd`,
  )
})
