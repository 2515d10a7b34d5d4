import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Ajv } from 'ajv'
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
import { runElastauth } from './elastauth-command.ts'

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../support/schemas/compose-spec.json'), 'utf8'))
// its spelling of draft 7's address is not the one ajv knows
delete schema.$schema
const isCompose = new Ajv({ strict: false, validateFormats: false }).compile(schema)

/** What starts, and is said at every start, because the example means it so. */
const expectedAdvice: Readonly<Record<string, RegExp>> = {
  'local-dev': /^warning: static\.allow_remote is true: .*\n$/,
}

for (const example of examples) {
  describe(`examples/${example}`, () => {
    const { services, networks, volumes } = readCompose(example)
    const every = Object.entries(services)
    const lasting = every.filter(([name]) => name !== 'setup' && name !== 'accounts')

    test('is a compose file by the schema of the Compose Specification', () => {
      assert.ok(isCompose(readCompose(example)), JSON.stringify(isCompose.errors))
    })

    test('every file, volume, network and service it names is there', () => {
      for (const [name, service] of every) {
        for (const mount of service.volumes ?? []) {
          const { source, isReadOnly } = readMount(mount)
          if (!source.startsWith('./')) assert.ok(source in volumes, `${name}: ${mount}`)
          else assert.ok(statSync(pathOf(example, source)).isFile() && isReadOnly, `${name}: ${mount}`)
        }
        for (const network of service.networks ?? []) assert.ok(network in networks, `${name}: ${network}`)
        for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
          assert.ok(other in services, `${name}: ${other}`)
          if (condition === 'service_healthy')
            assert.ok(hasHealthCheck(services[other]!), `${name} waits for ${other}, which never gets healthy`)
        }
      }
    })

    test('images are pinned to a release, or built from what is in this repository', () => {
      for (const [name, { image = '', build }] of every) {
        if (build === undefined) assert.match(image, /:v?\d+\.\d+\.\d+(-alpine)?$/, name)
        else assert.ok(existsSync(pathOf(example, `${build}/Dockerfile`)), name)
      }
    })

    test('Elasticsearch and Kibana have one version, and it is one that the tests run', () => {
      const versions = every.flatMap(([, { image = '' }]) => /docker\.elastic\.co\/.*:(.*)/.exec(image)?.slice(1) ?? [])
      const tested = majors.map((major) => readLock(major).version)
      assert.deepEqual(versions, [versions[0], versions[0]])
      assert.ok(tested.includes(String(versions[0])), `${versions[0]} is not among ${tested}`)
    })

    test('ports are published on this machine only, and nothing but the front door has one', () => {
      const published = every.filter(([, { ports = [] }]) => ports.length > 0)
      for (const [, { ports = [] }] of published) for (const port of ports) assert.match(port, /^127\.0\.0\.1:/)
      const doors = ['dex', services.traefik === undefined ? 'elastauth' : 'traefik']
      assert.deepEqual(
        published.map(([name]) => name).filter((name) => !doors.includes(name)),
        [],
      )
    })

    test('what stays running has a health check, no new privileges, and no network it does not need', () => {
      for (const [name, service] of lasting) {
        assert.ok(hasHealthCheck(service), name)
        assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name)
      }
      for (const name of ['elasticsearch', 'kibana', 'redis', 'accounts']) {
        for (const network of services[name]?.networks ?? []) assert.equal(networks[network]!.internal, true, name)
      }
      const { read_only, cap_drop } = services.elastauth!
      assert.deepEqual([read_only, cap_drop], [true, ['ALL']])
    })

    test('no secret is in the compose file: elastauth has all of them from files', () => {
      const env = services.elastauth!.environment ?? {}
      assert.ok('ELASTAUTH_SECRET_KEY_FILE' in env)
      assert.deepEqual(
        every
          .flatMap(([, { environment = {} }]) => Object.keys(environment))
          .filter((name) => /PASSWORD|SECRET|KEY$/.test(name) && !/_FILE$|TLS_KEY$/.test(name)),
        [],
      )
    })

    describe('setup.sh', { skip: skipSetup(example) }, () => {
      const folder = skipSetup(example) ? '' : runSetup(example)

      test('makes what every service reads, for that service alone', () => {
        for (const [name, service] of lasting) {
          for (const mount of service.volumes ?? []) {
            const { source, target } = readMount(mount)
            if (!target.endsWith('/secrets')) continue
            assert.equal(source, name, mount)
            for (const [path] of JSON.stringify(service).matchAll(/(?<=secrets\/)[\w.-]+/g))
              assert.ok(existsSync(join(folder, name, path)), `${name} reads ${path}`)
          }
        }
        for (const file of globSync('*/*', { cwd: folder }))
          assert.equal(statSync(join(folder, file)).mode & 0o077, 0, `others may read ${file}`)
      })

      test('changes nothing when it runs again', () => {
        const key = () => readFileSync(join(folder, 'elastauth/secret-key'), 'utf8')
        const before = key()
        setUp(example, folder)
        assert.equal(key(), before)
      })

      test('elastauth’s configuration is good with it, and advises nothing unexpected', async () => {
        const env = environmentOf(example, folder)
        const { code, stderr } = await runElastauth(
          ['config', 'check', '--config', pathOf(example, 'elastauth.yml')],
          env,
        )
        assert.equal(code, 0, stderr)
        assert.match(stderr, expectedAdvice[example] ?? /^$/)
      })
    })
  })
}

/** elastauth's is in its image. */
function hasHealthCheck({ healthcheck, image }: Service): boolean {
  return healthcheck !== undefined || image === 'elastauth'
}

/** Why an example's setup.sh cannot run here; with REQUIRE_SETUP_TOOLS=1 that is a failure. */
function skipSetup(example: string): string | false {
  const tools = readFileSync(pathOf(example, 'setup.sh'), 'utf8').includes('htpasswd')
    ? ['openssl', 'htpasswd']
    : ['openssl']
  const missing = tools.filter((tool) => !isThere(tool))
  if (missing.length === 0) return false
  if (process.env.REQUIRE_SETUP_TOOLS === '1') throw new Error(`REQUIRE_SETUP_TOOLS=1, but no ${missing.join(' and ')}`)
  return `no ${missing.join(' and ')} on the PATH`
}

function isThere(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
