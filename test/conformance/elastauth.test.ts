import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CommandResult, runCommand } from '../behavior/elastauth-command.ts'
import { createFixture } from '../behavior/fixture.ts'
import type { Header } from '../support/raw-http.ts'
import { type Caller, clientAddress } from './callers/caller.ts'
import { envoyAddress } from './callers/envoy.ts'
import { callers } from './callers/index.ts'
import { original } from './case.ts'
import { exchange } from './exchange.ts'

const { start } = await createFixture()
const env = { ELASTAUTH_PROXY_SECRET: 'the-proxy-adds-this-itself' }
const prefixed = { 'forward_auth.path_prefix': '/authorize' }
const [generic, nginx] = await Promise.all([
  start({ env, flags: { ...prefixed, trusted_proxies: `loopback,${envoyAddress}` } }),
  start({ env, flags: { 'forward_auth.profile': 'nginx' } }),
])

const run = (...args: string[]): Promise<CommandResult> =>
  runCommand(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args])

const secret = `X-Elastauth-Proxy-Secret: ${env.ELASTAUTH_PROXY_SECRET}`
const options = [
  ...['--header', secret, '--forbidden', 'Remote-User: elastic', '--own-path', '/elastauth/health'],
  ...['--timeout', '60'], // on a busy machine, a response may take longer than the default of 10 s
]

for (const profile of callers.keys()) {
  test(`elastauth passes the conformance suite with profile ${profile}`, async () => {
    const { url } = profile === 'nginx' ? nginx : generic
    const { code, stdout } = await run('--url', url, '--profile', profile, ...options)
    assert.deepEqual([code, stdout.match(/✖[^✔]*/g)], [0, null])
    assert.match(stdout, new RegExp(`^${profile}: all \\d{3} passed$`, 'm'))
  })
}

const forged: readonly Header[] = [
  ['X-Forwarded-Method', 'OPTIONS'],
  ['X-Forwarded-Uri', '/forged'],
  ['X-Forwarded-Host', 'forged.example.com'],
  ['X-Original-Method', 'OPTIONS'],
  ['X-Original-URL', 'https://forged.example.com/forged'],
]

/** Sends a caller's sub-request about a request of bob's. */
async function sendAs(caller: Caller, path: string, headers: readonly Header[], method = 'PUT') {
  const gateway = caller.name === 'nginx' ? nginx : generic
  const url = new URL(gateway.url)
  const passed = ['Remote-User', ...[...forged, ...headers].map(([name]) => name)]
  const request = original([['Remote-User', 'bob'], ...headers], { method, target: `${path}?a=b` })
  const { headers: subRequestHeaders, ...rest } = caller.subRequestFor(request, {
    url,
    pathPrefix: '/authorize',
    passed,
  })
  const withSecret = [...subRequestHeaders, ['X-Elastauth-Proxy-Secret', env.ELASTAUTH_PROXY_SECRET] as const]
  const [response] = await exchange(url, [{ ...rest, headers: withSecret }], 20_000)
  return { gateway, status: response!.status }
}

for (const caller of callers.values()) {
  test(`a client's own X-Forwarded-* and X-Original-* do not change the logged request behind ${caller.name}`, async () => {
    const path = `/mine/${caller.name}`
    const { gateway, status } = await sendAs(caller, path, forged)
    assert.equal(status, 200)
    const line = await gateway.logged((entry) => entry['url.path'] === path)
    assert.deepEqual([line['http.request.method'], line['url.domain']], ['PUT', 'app.example.com'])
    assert.ok(!gateway.log.some((entry) => /forged/.test(`${entry['url.path']} ${entry['url.domain']}`)))
  })

  test(`a write from another site's page is rejected behind ${caller.name}, and a write from the application's own page is accepted`, async () => {
    const path = `/write/${caller.name}`
    const statusOf = async (headers: readonly Header[], method?: string) =>
      (await sendAs(caller, path, headers, method)).status
    assert.equal(await statusOf([['Origin', 'https://evil.example']]), 403)
    assert.equal(await statusOf([['Origin', 'https://evil.example'], ...forged]), 403)
    assert.equal(await statusOf([['Sec-Fetch-Site', 'cross-site']]), 403)
    assert.equal(await statusOf([['Origin', 'https://forged.example.com'], ...forged]), 403)
    assert.equal(
      await statusOf(
        [
          ['Origin', 'https://evil.example'],
          ['Sec-WebSocket-Key', 'a2V5'],
        ],
        'GET',
      ),
      403,
    )
    assert.equal(await statusOf([['Origin', 'https://app.example.com']]), 200)
    assert.equal(await statusOf([['Origin', 'https://evil.example']], 'GET'), 200)
  })
}

for (const caller of [...callers.values()].filter(({ name }) => name !== 'haproxy')) {
  test(`the log has the client's address behind ${caller.name} when the client forges X-Forwarded-For and Forwarded`, async () => {
    const path = `/address/${caller.name}`
    const { gateway } = await sendAs(caller, path, [
      ['X-Forwarded-For', '203.0.113.7'],
      ['Forwarded', 'for=203.0.113.7'],
    ])
    const line = await gateway.logged((entry) => entry['url.path'] === path)
    assert.deepEqual([line['client.ip'], line['source.ip']], [clientAddress, '127.0.0.1'])
  })
}

test('Envoy may use another path prefix only if forward_auth.path_prefix has the same value', async () => {
  const flags = { 'forward_auth.path_prefix': '/ext/authz' }
  const { url } = await start({ env, flags })
  for (const prefix of [
    ['--url', `${url}/ext/authz`],
    ['--url', url, '--path-prefix', '/ext/authz'],
  ]) {
    const { code, stdout } = await run(...prefix, '--profile', 'envoy', ...options)
    assert.deepEqual([code, stdout.match(/✖[^✔]*/g)], [0, null])
  }
  const { code, stderr } = await run('--url', url, '--profile', 'envoy', ...options)
  assert.deepEqual([code, /the user \(Remote-User\) gets 404/.test(stderr)], [2, true])
})

test('the suite without forward_auth.profile nginx reports the denial statuses that nginx would turn into errors', async () => {
  const { code, stdout } = await run('--url', generic.url, '--profile', 'nginx', ...options)
  assert.equal(code, 1)
  assert.match(
    stdout,
    /✖ a second identity beside the first +400\n +400 is a response that this proxy turns into an error/,
  )
})

test('the suite prints its help, and explains what is wrong with an invalid command line or an unusable server', async () => {
  assert.match((await run('--help')).stdout, /--profile NAME +traefik, nginx, caddy, haproxy, envoy/)
  for (const [args, message] of [
    [[], /--url is missing/],
    [['--url', 'ftp://x'], /--url ftp:\/\/x: write e\.g\./],
    [['--url', generic.url, '--profile', 'apache'], /--profile apache: use one of traefik, /],
    [['--url', generic.url, '--identity', 'bob'], /"bob" is not a header/],
    [['--url', generic.url, '--header', 'X-Secret: @/nowhere'], /ENOENT/],
    [['--url', generic.url, '--header', secret, '--other', 'Remote-User: conformance'], /both users get the same/],
    [['--url', generic.url], /the user \(Remote-User\) gets 401/],
    [['--url', 'http://127.0.0.1:9'], /ECONNREFUSED/],
  ] as const) {
    const { code, stderr } = await run(...args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, / {4}at |the-proxy-adds/)
  }
})
