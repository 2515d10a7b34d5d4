import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { majors, readLock } from '../support/elasticsearch/versions.ts'
import {
  environmentOf,
  examples,
  pathOf,
  readCompose,
  readMount,
  runSetup,
  type Service,
  setUp,
} from '../support/example.ts'
import { skipWithoutPrograms } from '../support/skip.ts'
import { runElastauth } from './elastauth-command.ts'

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../support/schemas/compose-spec.json'), 'utf8'))
// ajv does not know the URL of draft 7 as the schema spells it
delete schema.$schema
const isComposeFile = new Ajv({ strict: false, validateFormats: false }).compile(schema)

/** The warnings that an example causes deliberately. */
const expectedWarnings: Readonly<Record<string, RegExp>> = {
  'local-dev': /^warning: static\.allow_remote is true: .*\nwarning: .*\bhttp:\/\/kibana:5601 .* are not https: .*\n$/,
  'keycloak-proxy': /^warning: http:\/\/kibana:5601 \(proxy\.routes\[0\]\) is not https: .*\n$/,
  'standalone-kibana': /^warning: http:\/\/kibana:5601 \(proxy\.routes\[0\]\) is not https: .*\n$/,
}

for (const example of examples) {
  describe(`examples/${example}`, () => {
    const { services, networks, volumes } = readCompose(example)
    const allServices = Object.entries(services)
    const longRunning = allServices.filter(([name]) => name !== 'setup' && name !== 'accounts')

    test(`examples/${example} is valid according to the Compose Specification's schema`, () => {
      assert.ok(isComposeFile(readCompose(example)), JSON.stringify(isComposeFile.errors))
    })

    test(`examples/${example} refers only to files, volumes, networks and services that exist`, () => {
      for (const [name, service] of allServices) {
        for (const mount of service.volumes ?? []) assertMountExists(example, mount, volumes, name)
        for (const network of service.networks ?? []) assert.ok(network in networks, `${name}: ${network}`)
        assertDependenciesExist(service, services, name)
      }
    })

    test(`examples/${example} pins images to a release, or builds them from this repository`, () => {
      for (const [name, { image = '', build }] of allServices) {
        if (build === undefined) assert.match(image, /:v?\d+\.\d+\.\d+(-alpine)?$/, name)
        else assert.ok(existsSync(pathOf(example, `${build}/Dockerfile`)), name)
      }
    })

    test(`examples/${example} uses a single version of Elasticsearch and Kibana, which the tests cover`, () => {
      const versions = allServices.flatMap(
        ([, { image = '' }]) => /docker\.elastic\.co\/.*:(.*)/.exec(image)?.slice(1) ?? [],
      )
      const tested = majors.map((major) => readLock(major).version)
      assert.deepEqual(versions, [versions[0], versions[0]])
      assert.ok(tested.includes(String(versions[0])), `${versions[0]} is not among ${tested}`)
    })

    test(`examples/${example} publishes ports only on this machine, and only for the entry point and the identity provider`, () => {
      const published = allServices.filter(([, { ports = [] }]) => ports.length > 0)
      for (const [, { ports = [] }] of published) for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
      const entryPoint = ['traefik', 'caddy'].find((name) => name in services) ?? 'elastauth'
      const publicServices = ['dex', 'keycloak', entryPoint]
      assert.deepEqual(
        published.map(([name]) => name).filter((name) => !publicServices.includes(name)),
        [],
      )
    })

    test(`examples/${example} gives long-running services a health check, no-new-privileges and no unneeded network`, () => {
      for (const [name, service] of longRunning) {
        assert.ok(hasHealthCheck(service), name)
        assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
      }
      for (const name of ['elasticsearch', 'kibana', 'redis', 'accounts']) {
        for (const network of services[name]?.networks ?? []) assert.equal(networks[network]!.internal, true, name)
      }
      const { read_only, cap_drop } = services.elastauth!
      assert.deepEqual([read_only, cap_drop], [true, ['ALL']])
    })

    test(`examples/${example} contains no secrets, and elastauth reads every secret from a file`, () => {
      const env = services.elastauth!.environment ?? {}
      assert.ok('ELASTAUTH_SECRET_KEY_FILE' in env)
      assert.deepEqual(
        allServices
          .flatMap(([, { environment = {} }]) => Object.keys(environment))
          .filter((name) => /PASSWORD|SECRET|KEY$/.test(name) && !/_FILE$|TLS_KEY$/.test(name)),
        [],
      )
    })

    describe('setup.sh', { skip: skipSetup(example) }, () => {
      const folder = skipSetup(example) ? '' : runSetup(example)

      test("setup.sh creates every service's secrets, readable only by their owner", () => {
        for (const [name, service] of longRunning) {
          const mounts = (service.volumes ?? []).map(readMount)
          for (const { source } of mounts.filter(({ target }) => target.endsWith('/secrets'))) {
            assert.equal(source, name)
            assertSecretsExist(service, folder, name)
          }
        }
        for (const file of globSync('*/*', { cwd: folder }))
          assert.equal(statSync(join(folder, file)).mode & 0o077, 0, `others may read ${file}`)
      })

      test('setup.sh passes no secret as an argument, which every program of the machine can read', (context) => {
        const directory = mkdtempSync(join(tmpdir(), 'elastauth-arguments-'))
        const target = join(directory, 'target')
        context.after(() => {
          for (const one of globSync(`${target}/*/`)) chmodSync(one, 0o700) // as after runSetup
          rmSync(directory, { recursive: true })
        })
        mkdirSync(target)
        const log = join(directory, 'log')
        for (const tool of ['cat', 'cp', 'htpasswd', 'openssl', 'sed', 'tr'])
          writeFileSync(
            join(directory, tool),
            `#!/bin/sh\necho "$@" >>'${log}'\nPATH='${process.env.PATH}' exec ${tool} "$@"\n`,
            { mode: 0o755 },
          )
        setUp(example, target, `${directory}:${process.env.PATH}`)
        const secrets = globSync('*/*', { cwd: target })
          .map((file) => readFileSync(join(target, file), 'utf8').trim())
          .filter((text) => /^[0-9a-f]{64}$/.test(text))
        assert.ok(secrets.length > 3)
        const passed = readFileSync(log, 'utf8')
        assert.match(passed, /^rand -hex 32$/m)
        assert.ok(secrets.every((secret) => !passed.includes(secret)))
      })

      test('setup.sh keeps the secret key when it runs again', () => {
        const key = () => readFileSync(join(folder, 'elastauth/secret-key'), 'utf8')
        const before = key()
        setUp(example, folder)
        assert.equal(key(), before)
      })

      test('setup.sh creates a valid elastauth configuration without unexpected warnings', async () => {
        const env = environmentOf(example, folder)
        const { code, stderr } = await runElastauth(
          ['config', 'check', '--config', pathOf(example, 'elastauth.yml')],
          env,
        )
        assert.equal(code, 0, stderr)
        assert.match(stderr, expectedWarnings[example] ?? /^$/)
      })
    })
  })
}

test('examples/local-dev/sign-in.yml, which takes the place of elastauth.yml, is valid', {
  skip: skipSetup('local-dev'),
}, async () => {
  const env = environmentOf('local-dev', runSetup('local-dev'))
  const { code, stderr } = await runElastauth(['config', 'check', '--config', pathOf('local-dev', 'sign-in.yml')], env)
  assert.equal(code, 0, stderr)
  // The first warning depends on the umask with which git has created the file.
  assert.match(stderr, /^(?:warning: .*users\.inline.*\n)?warning: .*\bhttp:\/\/kibana:5601 .* are not https: .*\n$/)
})

for (const [file, hasProxy] of configurations())
  test(`examples/${file}: elastauth reads X-Forwarded-For ${hasProxy ? 'from its proxy' : 'from no client, which could evade the limits of guessing'}`, () => {
    const { trusted_proxies } = parse(readFileSync(pathOf('', file), 'utf8'))
    assert.deepEqual(trusted_proxies, [hasProxy ? 'private' : 'none'])
  })

/** Those with which people sign in, and whether a proxy is in front of elastauth. */
function configurations(): [file: string, hasProxy: boolean][] {
  return [
    ...examples
      .filter((example) => example !== 'local-dev')
      .map((example): [string, boolean] => [
        `${example}/elastauth.yml`,
        ['traefik', 'caddy'].some((name) => name in readCompose(example).services),
      ]),
    ['local-dev/sign-in.yml', false],
    ['sign-in-form/elastauth.yml', false],
  ]
}

function assertMountExists(example: string, mount: string, volumes: object, service: string): void {
  const { source, isReadOnly } = readMount(mount)
  if (!/^\.\.?\//.test(source)) assert.ok(source in volumes, `${service}: ${mount}`)
  else assert.ok(statSync(pathOf(example, source)).isFile() && isReadOnly, `${service}: ${mount}`)
}

function assertDependenciesExist(
  { depends_on = {} }: Service,
  services: Readonly<Record<string, Service>>,
  name: string,
) {
  for (const [other, { condition }] of Object.entries(depends_on)) {
    assert.ok(other in services, `${name}: ${other}`)
    if (condition === 'service_healthy')
      assert.ok(hasHealthCheck(services[other]!), `${name} waits for ${other}, which never becomes healthy`)
  }
}

/** Every file below `secrets/` that the service mentions. */
function assertSecretsExist(service: Service, folder: string, name: string): void {
  for (const [path] of JSON.stringify(service).matchAll(/(?<=secrets\/)[\w.-]+/g))
    assert.ok(existsSync(join(folder, name, path)), `${name} reads ${path}`)
}

/** That of elastauth is in its image. */
function hasHealthCheck({ healthcheck, image }: Service): boolean {
  return healthcheck !== undefined || image === 'elastauth'
}

/** The reason to skip tests that run setup.sh, or false. Throws if a program is missing and REQUIRE_SETUP_TOOLS=1. */
function skipSetup(example: string): string | false {
  const usesHtpasswd = readFileSync(pathOf(example, 'setup.sh'), 'utf8').includes('htpasswd')
  return skipWithoutPrograms(['openssl', ...(usesHtpasswd ? ['htpasswd'] : [])], 'REQUIRE_SETUP_TOOLS')
}
