import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createUserAgent } from '../support/oidc/user-agent.ts'

const run = promisify(execFile)
const script = join(import.meta.dirname, '../../examples/demo/run.ts')

describe('the demo', () => {
  let demo: ChildProcess
  let printed: string
  let lines: string[]
  const bash = async (line: string) => (await run('bash', ['-c', line])).stdout

  before(async () => {
    demo = startDemo('--elasticsearch', 'stand-in')
    printed = await untilReady(demo)
    lines = printed.match(/(?<=^ +)curl .*$/gm) ?? []
  })
  after(() => demo.kill('SIGKILL'))

  test('it says what it is, and prints three lines to copy', () => {
    assert.match(printed, /^Elasticsearch +http:\/\/127\.0\.0\.1:\d+ +a small stand-in/m)
    assert.equal(lines.length, 3)
  })

  test('line 1 shows the identity of the headers, and an Authorization header', async () => {
    const answer = await bash(lines[0]!)
    assert.match(answer, /^HTTP\/1\.1 200 /)
    assert.match(answer, /^authorization: Basic \S+\r$/im)
    assert.deepEqual(bodyOf(answer), {
      message: 'Authentication successful',
      username: 'testuser',
      groups: ['admins', 'users'],
      email: 'test@example.com',
    })
  })

  test('line 2 logs in at Elasticsearch as that user, with the roles of its groups', async () => {
    const { username, roles } = JSON.parse(await bash(lines[1]!))
    assert.equal(username, 'testuser')
    assert.deepEqual(roles.sort(), ['kibana_admin', 'monitoring_user', 'viewer'])
  })

  test('line 3 shows the fixed user', async () => {
    const answer = await bash(lines[2]!)
    assert.match(answer, /^authorization: Basic \S+\r$/im)
    assert.equal(bodyOf(answer).username, 'developer')
  })

  test('a second demo takes the next free ports', async () => {
    const second = startDemo('--elasticsearch', 'stand-in')
    const found = (await untilReady(second)).match(/^elastauth +\S+/gm)
    assert.equal(found?.length, 2)
    for (const line of found) assert.ok(!printed.includes(`${line} `), line)
    second.kill('SIGTERM')
    assert.deepEqual(await once(second, 'exit'), [0, null])
  })

  test('SIGINT twice, as npm and the terminal send it, ends it with 0 and without complaints', async () => {
    const complaints = text(demo.stderr!)
    demo.kill('SIGINT')
    demo.kill('SIGINT')
    assert.deepEqual(await once(demo, 'exit'), [0, null])
    assert.equal(await complaints, '')
  })
})

test('with --proxy a fourth line goes through elastauth to Elasticsearch', async () => {
  const demo = startDemo('--elasticsearch', 'stand-in', '--proxy')
  const [line] = (await untilReady(demo)).match(/(?<=^ +)curl .*$/gm)?.slice(3) ?? []
  const { stdout } = await run('bash', ['-c', line!])
  assert.equal(JSON.parse(stdout).username, 'developer')
  demo.kill('SIGTERM')
  assert.deepEqual(await once(demo, 'exit'), [0, null])
})

test('with --oidc somebody logs in with a browser, and uses Elasticsearch through elastauth', async () => {
  const demo = startDemo('--elasticsearch', 'stand-in', '--oidc')
  const [url] = /(?<=^ +)http\S+_authenticate\S*$/m.exec(await untilReady(demo)) ?? []
  const { body } = await createUserAgent().visit(url!, 'alice')
  assert.equal(JSON.parse(body).username, 'alice')
  demo.kill('SIGTERM')
  assert.deepEqual(await once(demo, 'exit'), [0, null])
})

test('the demo refuses an argument it does not know, with its usage', async () => {
  const demo = startDemo('--prxy')
  const complaints = text(demo.stderr!)
  assert.deepEqual(await once(demo, 'exit'), [2, null])
  assert.match(await complaints, /^demo: Unknown option '--prxy'\.\nUsage: npm run demo/)
})

test('the demo says in a sentence that the Elasticsearch it was asked for is not there', async () => {
  const demo = startDemo('--elasticsearch', 'external')
  const complaints = text(demo.stderr!)
  assert.deepEqual(await once(demo, 'exit'), [1, null])
  assert.equal(await complaints, 'demo: no such Elasticsearch here: external: ELASTICSEARCH_URL is not set.\n')
})

function startDemo(...args: string[]): ChildProcess {
  const { ELASTICSEARCH_URL: _, ...env } = process.env
  return spawn(process.execPath, [script, ...args], {
    env: { ...env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** What it has printed by the time it is ready. */
async function untilReady(demo: ChildProcess): Promise<string> {
  let printed = ''
  for await (const chunk of demo.stdout!.iterator({ destroyOnReturn: false })) {
    printed += chunk
    if (printed.includes('^C ends it')) return printed
  }
  throw new Error(`the demo ended before it was ready:\n${printed}`)
}

function bodyOf(answer: string) {
  return JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))
}
