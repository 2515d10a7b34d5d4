import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { ConfigError } from '../../../config/faults.ts'
import { loadConfig } from '../../../config/load.ts'
import { readYaml } from '../../../config/sources/yaml.ts'
import { type ListenError, listenFault } from '../../../src/cli/listen-fault.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-listen-'))
after(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'config.yml')
writeFileSync(
  file,
  [
    'elasticsearch: { dry_run: true }',
    'listen:',
    '  - "127.0.0.1:5000"',
    '  - "0.0.0.0:80"',
    '  - "unix:/run/elastauth.sock"',
    'forward_auth:',
    '  listen: ["10.0.0.1:5001"]',
    'enable_metrics: true',
    'metrics:',
    '  listen: ["127.0.0.1:9100", "10.0.0.1:9101"]',
  ].join('\n'),
)
const env = { ELASTAUTH_SECRET_KEY: '5eed0f7e57'.padEnd(64, '0123456789abcdef') }
const failed = (code: string, index: number, serves: ListenError['serves'] = 'endpoints') =>
  Object.assign(new Error(`the system's message`), { code, index, serves }) as ListenError
const lineOf = (error: ListenError, source = loadConfig({ file: { path: file, read: readYaml }, env, flags: {} })) =>
  new ConfigError([listenFault(error, source)]).message.split('\n')[1]!.trim().replace(/ +/g, ' ')

describe('the message for an address that cannot be listened on', () => {
  const rows: [what: string, error: ListenError, line: string][] = [
    [
      'names the entry and line of an address in use',
      failed('EADDRINUSE', 0),
      `${file}:3 listen[0] is in use by another program (127.0.0.1:5000): stop the other program, or choose another address with --listen`,
    ],
    [
      'says what a low port needs',
      failed('EACCES', 1),
      `${file}:4 listen[1] cannot be listened on (0.0.0.0:80, EACCES): use a port above 1023, or grant CAP_NET_BIND_SERVICE`,
    ],
    [
      'says what a unix socket needs',
      failed('EACCES', 2),
      `${file}:5 listen[2] cannot be listened on (unix:/run/elastauth.sock, EACCES): let the user of this process write into the directory of the socket`,
    ],
    [
      'names the line of an address of another machine in forward_auth.listen',
      failed('EADDRNOTAVAIL', 3, 'sub-requests'),
      `${file}:7 forward_auth.listen cannot be listened on (10.0.0.1:5001, EADDRNOTAVAIL): write an address of this machine, or 0.0.0.0 or [::] for all`,
    ],
    [
      'names the entry and line of an address of another machine in metrics.listen',
      failed('EADDRNOTAVAIL', 5, 'metrics'),
      `${file}:10 metrics.listen[1] cannot be listened on (10.0.0.1:9101, EADDRNOTAVAIL): write an address of this machine, or 0.0.0.0 or [::] for all`,
    ],
    [
      "quotes the system's message for any other error",
      failed('ENOBUFS', 0),
      `${file}:3 listen[0] cannot be listened on (the system's message): choose another address with --listen`,
    ],
  ]
  for (const [what, error, line] of rows)
    test(`the message for an address that cannot be listened on ${what}`, () => assert.equal(lineOf(error), line))

  test('the message for an address that cannot be listened on names the flag, the variable or the default that set it', () => {
    const dryRun = { ...env, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }
    const sources: [source: Parameters<typeof loadConfig>[0], place: string][] = [
      [{ file: null, env: dryRun, flags: { listen: '[::1]:1' } }, '--listen listen is in use'],
      [{ file: null, env: { ...dryRun, ELASTAUTH_LISTEN: '[::1]:1' }, flags: {} }, 'ELASTAUTH_LISTEN listen is in use'],
      [{ file: null, env: dryRun, flags: {} }, '(default) listen is in use'],
    ]
    for (const [source, place] of sources)
      assert.ok(lineOf(failed('EADDRINUSE', 0, 'everything'), loadConfig(source)).startsWith(place), place)
  })
})
