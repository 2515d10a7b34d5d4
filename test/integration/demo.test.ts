import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { signInWithForm } from '../support/sign-in-form.ts'

const run = promisify(execFile)
const script = join(import.meta.dirname, '../../examples/demo/run.ts')
const smokeTest = join(import.meta.dirname, '../../scripts/smoke-demo.sh')

describe('the demo', () => {
  let demo: ChildProcess
  let output: string
  let commands: string[]
  const bash = async (command: string) => (await run('bash', ['-c', command])).stdout

  before(async () => {
    demo = startDemo('--elasticsearch', 'stand-in')
    output = await readUntilReady(demo)
    commands = output.match(/(?<=^ +)curl .*$/gm) ?? []
  })
  after(() => demo.kill('SIGKILL'))

  test('the demo names the fake Elasticsearch, and prints three commands to copy', () => {
    assert.match(output, /^Elasticsearch +http:\/\/127\.0\.0\.1:\d+ +a small stand-in/m)
    assert.equal(commands.length, 3)
  })

  test('the demo prints the text that scripts/smoke-demo.sh waits for', () => {
    const [, ready] = /grep -q '([^']+)'/.exec(readFileSync(smokeTest, 'utf8'))!
    assert.ok(output.includes(ready!), ready!)
  })

  test("the demo's first command shows the identity from the headers, and an Authorization header", async () => {
    const response = await bash(commands[0]!)
    assert.match(response, /^HTTP\/1\.1 200 /)
    assert.match(response, /^authorization: Basic \S+\r$/im)
    assert.deepEqual(bodyOf(response), {
      message: 'Authentication successful',
      username: 'testuser',
      groups: ['admins', 'users'],
      email: 'test@example.com',
    })
  })

  test("the demo's second command authenticates to Elasticsearch as the user, with the roles of the user's groups", async () => {
    const { username, roles } = JSON.parse(await bash(commands[1]!))
    assert.equal(username, 'testuser')
    assert.deepEqual(roles.sort(), ['kibana_admin', 'monitoring_user', 'viewer'])
  })

  test("the demo's third command shows the fixed user", async () => {
    const response = await bash(commands[2]!)
    assert.match(response, /^authorization: Basic \S+\r$/im)
    assert.equal(bodyOf(response).username, 'developer')
  })

  test('a second demo takes the next free ports', async () => {
    const second = startDemo('--elasticsearch', 'stand-in')
    const found = (await readUntilReady(second)).match(/^elastauth +\S+/gm)
    assert.equal(found?.length, 2)
    for (const line of found) assert.ok(!output.includes(`${line} `), line)
    second.kill('SIGTERM')
    assert.deepEqual(await once(second, 'exit'), [0, null])
  })

  test('two SIGINT signals, as npm and the terminal send them, end the demo with exit code 0 and without output on stderr', async () => {
    const stderr = text(demo.stderr!)
    demo.kill('SIGINT')
    demo.kill('SIGINT')
    assert.deepEqual(await once(demo, 'exit'), [0, null])
    assert.equal(await stderr, '')
  })
})

test("with --proxy, the demo's fourth command reaches Elasticsearch through elastauth", async () => {
  const demo = startDemo('--elasticsearch', 'stand-in', '--proxy')
  const [line] = (await readUntilReady(demo)).match(/(?<=^ +)curl .*$/gm)?.slice(3) ?? []
  const { stdout } = await run('bash', ['-c', line!])
  assert.equal(JSON.parse(stdout).username, 'developer')
  demo.kill('SIGTERM')
  assert.deepEqual(await once(demo, 'exit'), [0, null])
})

test('in the demo with --oidc, a user signs in with a browser and reaches Elasticsearch through elastauth', async () => {
  const demo = startDemo('--elasticsearch', 'stand-in', '--oidc')
  const [url] = /(?<=^ +)http\S+_authenticate\S*$/m.exec(await readUntilReady(demo)) ?? []
  const { body } = await createUserAgent().visit(url!, 'alice')
  assert.equal(JSON.parse(body).username, 'alice')
  demo.kill('SIGTERM')
  assert.deepEqual(await once(demo, 'exit'), [0, null])
})

test('in the demo with --login, two users with different groups sign in with the form, and a script with a password', async () => {
  const demo = startDemo('--elasticsearch', 'stand-in', '--login')
  const output = await readUntilReady(demo)
  const [url] = /(?<=^ +)http\S+(?=\/_security\/_authenticate)/m.exec(output) ?? []
  for (const [username, group] of [
    ['alice', 'analysts'],
    ['bob', 'operators'],
  ] as const) {
    const [, password] = new RegExp(`as ${username} with (?:the password )?"([^"]+)"`).exec(output)!
    const { agent, response } = await signInWithForm(url!, username, { password: password! })
    assert.equal(response.headers.get('location'), '/app')
    const account = await (await agent.request(`${url}/elastauth/whoami`)).text()
    assert.match(account, new RegExp(`You are signed in as ${username}.*${group}`, 's'))
    const signOut = { headers: { 'sec-fetch-site': 'same-origin' } }
    assert.match(await (await agent.request(`${url}/elastauth/logout`, signOut)).text(), /You are signed out/)
    assert.equal((await agent.request(`${url}/elastauth/whoami`)).status, 401)
  }
  const [line] = output.match(/(?<=^ +)curl -s -u .*$/gm)!
  assert.equal(JSON.parse((await run('bash', ['-c', line!])).stdout).username, 'alice')
  demo.kill('SIGTERM')
  assert.deepEqual(await once(demo, 'exit'), [0, null])
})

test('the demo rejects an unknown argument and prints its usage', async () => {
  const demo = startDemo('--prxy')
  const stderr = text(demo.stderr!)
  assert.deepEqual(await once(demo, 'exit'), [2, null])
  assert.match(await stderr, /^demo: Unknown option '--prxy'\.\nUsage: npm run demo/)
})

test('the demo says in one sentence that the requested Elasticsearch is not available', async () => {
  const demo = startDemo('--elasticsearch', 'external')
  const stderr = text(demo.stderr!)
  assert.deepEqual(await once(demo, 'exit'), [1, null])
  assert.equal(
    await stderr,
    'demo: --elasticsearch external is not available: external: ELASTICSEARCH_URL is not set.\n',
  )
})

function startDemo(...args: string[]): ChildProcess {
  const { ELASTICSEARCH_URL: _, ...env } = process.env
  return spawn(process.execPath, [script, ...args], {
    env: { ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** The output of the demo until it is ready. */
async function readUntilReady(demo: ChildProcess): Promise<string> {
  let output = ''
  for await (const chunk of demo.stdout!.iterator({ destroyOnReturn: false })) {
    output += chunk
    if (output.includes('Stop the demo with Ctrl+C.')) return output
  }
  throw new Error(`the demo ended before it was ready:\n${output}`)
}

function bodyOf(response: string) {
  return JSON.parse(response.slice(response.indexOf('\r\n\r\n')))
}
