import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { type Command, parseCommand } from '../../../src/cli/args.ts'
import { runHealth } from '../../behavior/elastauth-command.ts'

const commandLines: [line: string, command: Command][] = [
  ['', { name: 'serve', flags: {} }],
  ['serve', { name: 'serve', flags: {} }],
  ['--config a.yml', { name: 'serve', file: 'a.yml', flags: {} }],
  ['-c a.yml serve', { name: 'serve', file: 'a.yml', flags: {} }],
  ['--config=a.yml', { name: 'serve', file: 'a.yml', flags: {} }],
  [
    '--listen 127.0.0.1:0 --elasticsearch.dry_run=true',
    { name: 'serve', flags: { listen: '127.0.0.1:0', 'elasticsearch.dry_run': 'true' } },
  ],
  ['config check', { name: 'check', flags: {} }],
  ['config check -c dir --log_level debug', { name: 'check', file: 'dir', flags: { log_level: 'debug' } }],
  ['health --config a.yml', { name: 'health', file: 'a.yml', flags: {} }],
  ['doctor', { name: 'doctor', flags: {}, json: false }],
  ['doctor --json -c dir --listen :5000', { name: 'doctor', file: 'dir', flags: { listen: ':5000' }, json: true }],
  ['import old.yml', { name: 'import', file: 'old.yml' }],
  ['plan new.yml', { name: 'plan', next: 'new.yml', flags: {}, json: false }],
  [
    'plan new.yml -c old.yml --max-gains 0 --json',
    { name: 'plan', next: 'new.yml', file: 'old.yml', flags: {}, json: true, maxGains: 0 },
  ],
  ['explain', { name: 'explain', flags: {}, headers: [], connect: false, json: false }],
  [
    'explain --header A:1 --header=A:2 --from ::1 --user bob --connect --json --listen :1',
    {
      ...{ name: 'explain', flags: { listen: ':1' }, headers: ['A:1', 'A:2'], connect: true, json: true },
      ...{ from: '::1', user: 'bob' },
    },
  ],
  ['users prune --dry-run', { name: 'users', action: 'prune', flags: {}, switches: ['dry-run'] }],
  ['users list', { name: 'users', action: 'list', flags: {}, switches: [] }],
  [
    'users list --json -c a.yml --log_level debug',
    { name: 'users', action: 'list', file: 'a.yml', flags: { log_level: 'debug' }, switches: ['json'] },
  ],
  [
    'users revoke alice --disable --api-keys --json --dry-run',
    {
      ...{ name: 'users', action: 'revoke', username: 'alice', flags: {} },
      switches: ['disable', 'api-keys', 'json', 'dry-run'],
    },
  ],
  ['users show alice', { name: 'users', action: 'show', username: 'alice', flags: {}, switches: [] }],
  [
    'users enable alice --dry-run',
    { name: 'users', action: 'enable', username: 'alice', flags: {}, switches: ['dry-run'] },
  ],
  ['--generateKey', { name: 'generate-key' }],
  ['generate-key', { name: 'generate-key' }],
  ['--version', { name: 'version' }],
  ['-v', { name: 'version' }],
]

for (const [line, command] of commandLines) {
  test(`parses the command line "elastauth ${line}"`, () => {
    assert.deepEqual(parseCommand(line.split(' ').filter(Boolean)), command)
  })
}

test('--help prints the help, even together with an invalid flag', () => {
  for (const argv of [['--help'], ['-h'], ['serve', '--help'], ['--nonsense', '-h']]) {
    const command = parseCommand(argv)
    assert.equal(command.name, 'help')
    assert.match(
      'text' in command ? command.text : '',
      /Usage: elastauth.*config check.*--generateKey.*config\/elastauth\.example\.yml/s,
    )
  }
})

const usageErrors: [line: string, message: RegExp][] = [
  ['--lisen :5000', /^--lisen: unknown flag: did you mean `--listen`\?$/],
  ['--confg a.yml', /did you mean `--config`/],
  ['--generatekey', /did you mean `--generateKey`/],
  ['--cache.expiraton 1h', /did you mean `--cache.expiration`/],
  ['-x', /^-x: unknown flag: see --help$/],
  ['serv', /^unknown command "serv": did you mean `serve`\?$/],
  ['config', /^unknown command "config": use one of serve, config check, /],
  ['config chek', /did you mean `config check`/],
  ['serve extra', /unknown command "serve extra"/],
  ['doctor me', /^doctor takes no arguments$/],
  ['doctor --connect', /^--connect cannot be used with doctor$/],
  ['import', /^import needs a file/],
  ['import a.yml b.yml', /^import takes one file: /],
  ['import a.yml --listen :1', /^--listen cannot be used with import/],
  ['users', /^unknown command "users ": use one of list/],
  ['users lst', /^unknown command "users lst": did you mean `list`/],
  ['users revoke', /^users revoke needs a username$/],
  ['users revoke alice bob', /^users revoke takes one username$/],
  ['users enable alice --disable', /^--disable cannot be used with users enable$/],
  ['users show alice --max-gains 1', /^--max-gains cannot be used with users show$/],
  ['users prune alice', /^users prune takes no username$/],
  ['users prune --disable', /^--disable cannot be used with users prune$/],
  ['users list alice', /^users list takes no username$/],
  ['users list --connect', /^--connect cannot be used with users list$/],
  ['users list --secret_key x', /is a secret/],
  ['serve --json', /^--json can only be used with `users`, `plan`, `doctor` and `explain`$/],
  ['serve --connect', /^--connect can only be used with `config check` and `explain`$/],
  ['serve --header A:1', /^--header can only be used with `explain`$/],
  ['serve --max-gains 1', /^--max-gains can only be used with `plan`$/],
  ['explain alice', /^explain takes no arguments: describe the request with --header/],
  ['explain --user a --user b', /^--user is set twice/],
  ['plan', /^plan needs a file/],
  ['plan a.yml b.yml', /^plan takes one file/],
  ['plan a.yml --max-gains x', /^--max-gains is not a number of users/],
  ['usres list', /did you mean `users`|use one of/],
  ['improt', /did you mean `import`/],
  ['toString', /unknown command/],
  ['--listen', /^--listen needs a value/],
  ['--listen --config a', /^--listen needs a value/],
  ['--config=', /^--config needs a value/],
  ['--listen :1 --listen :2', /set twice/],
  ['--version=2', /takes no value/],
  ['--__proto__ x', /unknown flag/],
  ['--group_mappings {}', /is a map/],
]

for (const [line, message] of usageErrors) {
  test(`rejects "elastauth ${line}" as a usage error`, () => {
    const command = parseCommand(line.split(' '))
    assert.equal(command.name, 'usage-error', JSON.stringify(command))
    assert.match('message' in command ? command.message : '', message)
  })
}

test('rejects a secret as a flag without repeating its value', () => {
  for (const argv of [['--secret_key', 'hunter2'], ['--secret_key=hunter2'], ['--elasticsearch.password=hunter2']]) {
    const command = parseCommand(argv)
    assert.match('message' in command ? command.message : '', /_FILE/)
    assert.doesNotMatch(JSON.stringify(command), /hunter2/)
  }
})

test('elastauth health succeeds while elastauth runs, even if the configuration has become invalid', async (t) => {
  const requestedPaths: (string | undefined)[] = []
  const server = createServer((request, response) => {
    requestedPaths.push(request.url)
    response.end()
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const env = {
    ELASTAUTH_LISTEN: `127.0.0.1:${port}`,
    ELASTAUTH_SECRET_KEY: 'broken',
    ELASTAUTH_X: 'x',
  }
  const { code } = await runHealth(['--config', '/does/not/exist'], env)
  assert.equal(code, 0)
  assert.deepEqual(requestedPaths, ['/elastauth/health'])
})

test('the help, the messages and the faults name only files that the package and the image contain', () => {
  const root = join(import.meta.dirname, '../../..')
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
  const imageScript = readFileSync(join(root, 'scripts/build-image-tree.sh'), 'utf8')
  const named = globSync(['src/**/*.ts', 'config/**/*.ts'], {
    cwd: root,
    exclude: ['config/generate/**', 'config/schema.ts'],
  })
    .map((file) => readFileSync(join(root, file), 'utf8').replace(/^ *(?:\/\/|\/?\*).*$/gm, ''))
    .flatMap((text) => [...text.matchAll(/(?<![\w/.])(?:docs|config|deploy|examples)\/[\w./-]*\.(?:md|yml)/g)])
    .map(([path]) => path)
  assert.ok(named.includes('config/elastauth.example.yml'))
  for (const path of named) assert.ok(files.includes(path) && imageScript.includes(path), path)
})

test('every command on a version of Node.js that package.json excludes names the versions, and exits with 1', async () => {
  const root = join(import.meta.dirname, '../../..')
  const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const [, ...limits] = /^\^24\.(\d+)\.0 \|\| >=26\.(\d+)\.0$/.exec(engines.node)!
  const [minor24, minor26] = limits.map(Number) as [number, number]
  const runOn = async (version: string) => {
    const versions = `{ value: { ...process.versions, node: '${version}' } }`
    const preload = `Object.defineProperty(process, 'versions', ${versions}); Object.defineProperty(process, 'version', { value: 'v${version}' })`
    const arguments_ = ['--import', `data:text/javascript,${preload}`, join(root, 'src/main.ts'), '--version']
    const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'pipe'] })
    const [[code], stderr] = await Promise.all([once(child, 'close'), text(child.stderr)])
    return { code, stderr }
  }
  for (const version of ['20.20.2', `24.${minor24 - 1}.9`, '25.9.0', `26.${minor26 - 1}.9`])
    assert.deepEqual(await runOn(version), {
      code: 1,
      stderr: `elastauth: needs Node.js 24.${minor24} or later, or 26.${minor26} or later, and this is v${version}: install a later version, or use the image of elastauth\n`,
    })
  for (const version of [`24.${minor24}.0`, `26.${minor26}.0`, '27.0.0'])
    assert.deepEqual(await runOn(version), { code: 0, stderr: '' })
})
