import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** Of scripts/build-release.sh, which publishes this file if the tests pass. */
const given = process.env.PACKAGE

describe('the package, installed from its tarball', () => {
  let directory: string
  let command: string
  let files: string[]
  const env = environment()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'elastauth-package-'))
    const tarball = given ?? join(directory, await pack(directory, env))
    const { stdout } = await run('tar', ['--list', '--file', tarball])
    files = stdout
      .trimEnd()
      .split('\n')
      .map((path) => path.replace(/^package\//, ''))
    const installFlags = ['--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', '--silent']
    await run('npm', ['install', ...installFlags, '--prefix', directory, tarball], { cwd: directory, env })
    command = join(directory, 'node_modules/.bin/elastauth')
  })
  after(() => rm(directory, { recursive: true, force: true }))

  test('the package contains the built program, the example configuration and the schema, and no sources or tests', () => {
    for (const path of [
      'dist/main.cjs',
      'dist/third-party-licenses.txt',
      'config/elastauth.example.yml',
      'config/schema.json',
    ]) {
      assert.ok(files.includes(path), path)
    }
    assert.deepEqual(
      files.filter((path) => /\.ts$|^(?:src|test|bench|examples)\//.test(path)),
      [],
    )
  })

  test('the package contains no file besides the program, its licenses, and the files that package.json and npm name', () => {
    const program = /^dist\/(?:main|[\w.-]+-[\w-]{8})\.cjs$/
    const others = manifest.files.filter((path) => path !== 'dist')
    assert.deepEqual(
      files.filter((path) => !program.test(path)).sort(),
      ['dist/third-party-licenses.txt', 'package.json', ...others].sort(),
    )
  })

  test('the systemd unit in the package equals that in deploy/systemd', async () => {
    const path = 'deploy/systemd/elastauth.service'
    assert.equal(
      await readFile(join(directory, 'node_modules/elastauth', path), 'utf8'),
      await readFile(join(root, path), 'utf8'),
    )
  })

  test('elastauth config check accepts the example configuration in the package', async () => {
    const example = join(directory, 'example.yml')
    await copyFile(join(directory, 'node_modules/elastauth/config/elastauth.example.yml'), example)
    await chmod(example, 0o600)
    const key = (await run(command, ['--generateKey'], { env })).stdout.trim()
    const { stdout } = await run(command, ['config', 'check', '--config', example], {
      env: { ...env, ELASTAUTH_SECRET_KEY: key },
    })
    assert.match(stdout, /^Configuration OK/m)
  })

  test("elastauth --version prints the package's version", async () => {
    assert.equal((await run(command, ['--version'], { env })).stdout, `${manifest.version}\n`)
  })

  test('elastauth starts with the key that elastauth --generateKey prints, and responds', async () => {
    const key = (await run(command, ['--generateKey'], { env })).stdout.trim()
    assert.match(key, /^[0-9a-f]{64}$/)
    const flags = {
      listen: '127.0.0.1:0',
      log_format: 'json',
      default_roles: 'viewer',
      'elasticsearch.dry_run': 'true',
    }
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
    const elastauth = spawn(command, args, {
      cwd: directory,
      env: { ...env, ELASTAUTH_SECRET_KEY: key },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      const url = await firstAddress(elastauth.stdout)
      const { stdout } = await run('curl', [
        '-s',
        '-H',
        'Remote-User: testuser',
        '-H',
        'Remote-Groups: users',
        `${url}/`,
      ])
      assert.equal(JSON.parse(stdout).username, 'testuser')
    } finally {
      elastauth.kill('SIGTERM')
    }
    assert.deepEqual(await once(elastauth, 'exit'), [0, null])
  })
})

/** The name of the tarball that `npm pack` creates in a directory. */
async function pack(directory: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', directory], { cwd: root, env })
  return stdout.trimEnd().split('\n').at(-1)!
}

/** The environment with this process's Node first on the PATH, and without the variables that `npm test` sets for the checkout. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^npm_(?:package|lifecycle|config_local_prefix)|^ELASTAUTH_/.test(name),
  )
  return { ...Object.fromEntries(own), PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` }
}

async function firstAddress(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const url = /listens on (http:\S+)/.exec(line)?.[1]
    if (url !== undefined) return url
  }
  throw new Error('elastauth ended before it listened')
}
