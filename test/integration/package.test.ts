import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import manifest from '../../package.json' with { type: 'json' }

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

describe('the package, installed from its tarball', () => {
  let directory: string
  let command: string
  let files: string[]
  const env = environment()

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'elastauth-package-'))
    const { stdout } = await run('npm', ['pack', '--silent', '--json', '--pack-destination', directory], {
      cwd: root,
      env,
    })
    const [tarball] = Object.values<{ filename: string; files: { path: string }[] }>(JSON.parse(stdout))
    files = tarball!.files.map(({ path }) => path)
    const installFlags = ['--omit=dev', '--no-audit', '--no-fund', '--prefer-offline', '--silent']
    await run('npm', ['install', ...installFlags, '--prefix', directory, join(directory, tarball!.filename)], {
      cwd: directory,
      env,
    })
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
