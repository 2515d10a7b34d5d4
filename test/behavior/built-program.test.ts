import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { authorize } from '../support/gateway.ts'
import { startOtlpReceiver } from '../support/otlp/receiver.ts'
import { passwords, signInWithForm, users, usersEnv, usersFlags } from '../support/sign-in-form.ts'
import { startUpstream } from '../support/upstream.ts'
import { patientHealth, runCommand } from './elastauth-command.ts'
import { createFixture } from './fixture.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-built-'))
const output = join(directory, 'dist')
const main = join(output, 'main.cjs')
const loadedFiles = join(directory, 'loaded')
const env = { TEST_LOADED_FILES: loadedFiles }
const nodeArguments = ['--import', new URL('../support/loaded-files.ts', import.meta.url).href]
const fixture = await createFixture()

before(async () => {
  const script = fileURLToPath(new URL('../../scripts/build.ts', import.meta.url))
  const { code, stderr } = await runCommand(process.execPath, [script, output])
  assert.equal(code, 0, stderr)
})
after(() => rmSync(directory, { recursive: true }))

/** For features that are not configured by default. Each takes 10 to 100 ms and some megabytes when it is loaded. */
const optionalPackages = [
  '@opentelemetry/exporter-trace-otlp-proto',
  '@opentelemetry/sdk-trace-base',
  'bcryptjs',
  'http-proxy-3',
  'ioredis',
  'jose',
  'oauth4webapi',
  'openid-client',
  'pino-pretty',
  'prom-client',
  'undici',
  'yaml',
]

describe('the built program', () => {
  test('the built program signs a user in and loads no package of a feature that is not configured', async () => {
    const gateway = await fixture.start({ main, nodeArguments, env })
    const { status, authorization } = await authorize(gateway, 'bob')
    assert.equal(status, 200)
    assert.equal((await fixture.logIn(authorization)).status, 200)
    await gateway.stop()
    const { packages, builtIns } = readLoaded()
    assert.ok(packages.has('@elastic/elasticsearch'))
    assert.deepEqual(
      optionalPackages.filter((name) => packages.has(name)),
      [],
    )
    assert.ok(!builtIns.includes('internal/deps/undici/undici'), "Node's own copy of undici")
  })

  test('the built program loads the packages of all features that are configured', async () => {
    const upstream = await startUpstream((_request, response) => response.end('here'))
    const receiver = await startOtlpReceiver()
    const file = join(directory, 'config.yml')
    writeFileSync(file, 'enable_metrics: true\nlog_format: text\n')
    const gateway = await fixture.start({
      main,
      nodeArguments,
      env: { ...env, ...receiver.env },
      flags: {
        config: file,
        enableOtel: 'true',
        log_format: 'text',
        auth_providers: 'oidc,authelia',
        'oidc.issuer': 'http://127.0.0.1:1',
        'oidc.client_id': 'elastauth',
        'oidc.login': 'false',
        'proxy.enabled': 'true',
        'proxy.elasticsearch_url': upstream.url,
      },
    })
    assert.equal(await (await fetch(gateway.url, { headers: { 'Remote-User': 'bob' } })).text(), 'here')
    await receiver.received(({ kind }) => kind === 'server')
    await gateway.stop()
    const { packages } = readLoaded()
    const unused = ['bcryptjs', 'ioredis']
    assert.deepEqual(
      optionalPackages.filter((name) => !packages.has(name)),
      unused,
    )
  })

  test('the built program signs a user in with the form, and loads no package of OpenID Connect for it', async () => {
    const gateway = await fixture.start({ main, nodeArguments, env: { ...env, ...usersEnv }, flags: usersFlags })
    const { agent, response } = await signInWithForm(gateway.url)
    assert.equal(response.headers.get('location'), '/app')
    const authorized = await agent.request(gateway.url)
    assert.equal((await fixture.logIn(authorized.headers.get('authorization'))).status, 200)
    await gateway.stop()
    const { packages } = readLoaded()
    assert.deepEqual(
      ['jose', 'oauth4webapi', 'openid-client', 'undici', 'bcryptjs'].filter((name) => packages.has(name)),
      [],
    )
  })

  test('the built program reads a file of users that has changed in a thread, which does not run the program again', async () => {
    const file = join(directory, 'users.json')
    const write = (all: object) => {
      writeFileSync(`${file}.new`, JSON.stringify({ users: all }), { mode: 0o600 })
      renameSync(`${file}.new`, file) // so that it is never read while it is empty
    }
    const { alice, bob } = users
    write({ alice })
    const gateway = await fixture.start({ main, flags: { ...usersFlags, 'users.path': file } })
    write({ alice, bob })
    const { message } = await gateway.logged((line) => line['event.action'] === 'users_changed')
    assert.equal(message, 'users.path has changed: 2 users')
    const authorization = `Basic ${Buffer.from(`bob:${passwords.bob}`).toString('base64')}`
    assert.equal((await fetch(gateway.url, { headers: { authorization } })).status, 200)
    assert.equal(gateway.output().split('"event.action":"users_').length, 2)
    await gateway.stop()
  })

  test('the health check of the built program loads no package', async () => {
    const gateway = await fixture.start({ main })
    const listen = gateway.url.replace('http://', '')
    const args = [...nodeArguments, ...patientHealth, main, 'health', '--listen', listen]
    const { code } = await runCommand(process.execPath, args, env)
    assert.equal(code, 0)
    const { packages, builtIns } = readLoaded()
    assert.deepEqual([...packages], [])
    assert.ok(!builtIns.includes('internal/deps/undici/undici'), "Node's own copy of undici")
  })

  test('every bundled package has its license in third-party-licenses.txt, and Apache Arrow is not bundled', () => {
    const files = readdirSync(output).filter((name) => name.endsWith('.cjs'))
    const packages = packagesIn(files.map((name) => join(output, name)))
    const licenses = readFileSync(join(output, 'third-party-licenses.txt'), 'utf8')
    const unlicensed = [...packages].filter((name) => !licenses.includes(`\n${name.split('/node_modules/').at(-1)} `))
    assert.deepEqual(unlicensed, [])
    assert.ok(packages.has('ioredis'))
    assert.ok(!packages.has('apache-arrow'))
  })
})

function readLoaded() {
  const loaded = readFileSync(loadedFiles, 'utf8').split('\n')
  return {
    packages: packagesIn(loaded.filter((path) => path.startsWith(output))),
    builtIns: loaded
      .filter((name) => name.startsWith('NativeModule '))
      .map((name) => name.replace('NativeModule ', '')),
  }
}

/** The bundler begins the code of each module with its path. */
function packagesIn(files: readonly string[]): Set<string> {
  const text = files.map((file) => readFileSync(file, 'utf8')).join('\n')
  const paths = text.matchAll(/^\s*\/\/ node_modules\/(\S+)$/gm)
  const names = [...paths].map(
    ([, path = '']) => /^(?:(?:@[^/]+\/)?[^/]+\/node_modules\/)*(?:@[^/]+\/)?[^/]+/.exec(path)![0],
  )
  return new Set(names)
}
