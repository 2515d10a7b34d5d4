import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../config/load.ts'
import { openConfigFile } from '../../../config/read-settings.ts'
import { faultsOf, key, linesOf, load, minimal, writeFiles, yamlFile } from './fixture.ts'

const invalidFiles: { condition: string; yaml: string; expected: RegExp[] }[] = [
  {
    condition: 'a misspelt key',
    yaml: 'elasticsearch:\n  hots: []',
    expected: [/^2 elasticsearch.hots unknown key: did you mean `hosts`\?$/],
  },
  {
    condition: 'a misspelt section',
    yaml: 'chace:\n  type: redis',
    expected: [/^1 chace unknown key: did you mean `cache`\?$/],
  },
  { condition: 'a key outside its section', yaml: 'ca_cert: x', expected: [/^1 ca_cert .*`elasticsearch.ca_cert`/] },
  {
    condition: 'a duplicate key',
    yaml: 'cache:\n  type: redis\n  type: redis',
    expected: [/^3 cache.type is set twice, first in line 2/],
  },
  {
    condition: 'a duplicate group',
    yaml: 'group_mappings:\n  a: [b]\n  a: [c]',
    expected: [/^3 group_mappings.a is set twice/],
  },
  {
    condition: 'text where a map is expected',
    yaml: 'elasticsearch: http://es',
    expected: [/^1 elasticsearch expected a map, found text/],
  },
  {
    condition: 'a list where a map is expected',
    yaml: 'cache: [redis]',
    expected: [/^1 cache expected a map, found a list/],
  },
  {
    condition: 'a map where text is expected',
    yaml: 'listen: { port: 5000 }',
    expected: [/^1 listen expected .*, found a map/],
  },
  {
    condition: 'text where a list is expected',
    yaml: 'default_roles: kibana_user',
    expected: [/^1 default_roles expected a list of roles, found text/],
  },
  {
    condition: 'a quoted boolean',
    yaml: 'enable_metrics: "true"',
    expected: [/^1 enable_metrics .*remove the quotes/],
  },
  {
    condition: 'a bare number as a duration',
    yaml: 'cache:\n  expiration: 60',
    expected: [/^2 cache.expiration expected a duration.*add a unit/],
  },
  {
    condition: 'a secret of digits',
    yaml: 'proxy_secret: 1234567890123456',
    expected: [/^1 proxy_secret .*put it in quotes/],
  },
  {
    condition: 'an invalid list item, with its line',
    yaml: 'default_roles:\n  - good\n  - " bad"',
    expected: [/^3 default_roles\[1\]/],
  },
  {
    condition: 'an unknown key of a route, with its line',
    yaml: 'proxy:\n  routes:\n    - upstreams: [http://a]\n      paht: /',
    expected: [/^4 proxy.routes\[0\].paht .*did you mean `path`/],
  },
  {
    condition: 'a __proto__ key at the top level',
    yaml: '__proto__: { secret_key: x }',
    expected: [/^1 __proto__ cannot be a key/],
  },
  {
    condition: 'a __proto__ key in a section',
    yaml: 'cache:\n  __proto__: { type: redis }',
    expected: [/^2 cache.__proto__ cannot be a key/],
  },
  {
    condition: 'a constructor key',
    yaml: 'constructor: { prototype: { x: 1 } }',
    expected: [/^1 constructor unknown key/],
  },
  ...[
    'group_mappings:\n  *: [viewer]\ndefault_roles: [a]\n',
    'group_mappings:\n  *:\n    - viewer\n',
    'group_mappings:\n  * : [viewer]\n',
    'group_whitelist:\n  - *\n',
    'group_mappings:\n  *-admins: [viewer]\n',
  ].map((yaml) => ({
    condition: `an unquoted * in ${JSON.stringify(yaml)}, with a single fault and its fix`,
    yaml,
    expected: [/^2 YAML an unquoted `\*` begins an alias: put it in quotes, as in "\*": \[viewer\]$/],
  })),
  {
    condition: 'an unclosed [ at the line where it begins',
    yaml: 'log_level: info\ndefault_roles: [viewer,\n  editor\n\ngroup_mappings:\n  a: [b]\n',
    expected: [/^2 YAML `\[` is not closed: add `\]`$/],
  },
  {
    condition: 'an unclosed [ around a closed one at the end of the file',
    yaml: 'default_roles: [viewer, [editor]',
    expected: [/^1 YAML `\[` is not closed: add `\]`$/],
  },
  {
    condition: 'an unclosed { at the line where it begins',
    yaml: 'cache: {type: redis\nlog_level: info\n',
    expected: [/^1 YAML `\{` is not closed: add `\}`$/],
  },
  { condition: 'a syntax error', yaml: 'cache: [a', expected: [/^\d YAML /] },
  { condition: 'a tab as indentation', yaml: 'cache:\n\ttype: redis', expected: [/^2 YAML a tab/] },
  {
    condition: 'two documents',
    yaml: 'listen: ":1"\n---\nlisten: ":2"',
    expected: [/YAML there is a second document/],
  },
  { condition: 'a list as the file', yaml: '- a', expected: [/the file expected a map, found a list/] },
  { condition: 'a list as a key', yaml: '? [a]\n: b', expected: [/YAML has a key that is not text/] },
]

for (const { condition, yaml, expected } of invalidFiles) {
  test(`YAML rejects ${condition}`, () => {
    const env = {
      ELASTAUTH_SECRET_KEY: key,
      ELASTAUTH_ELASTICSEARCH_USERNAME: 'u',
      ELASTAUTH_ELASTICSEARCH_PASSWORD: 'p',
    }
    const lines = linesOf(() => load(yaml, { env }))
    assert.equal(lines.length, expected.length, lines.join('\n'))
    for (const [index, pattern] of expected.entries()) assert.match(lines[index]!, pattern)
  })
}

test('YAML rejects an alias bomb without expanding it', () => {
  const levels = 'abcdefghi'
    .split('')
    .map((name, i, all) => `  ${name}: &${name} [${i === 0 ? 'x' : Array(9).fill(`*${all[i - 1]}`)}]`)
  assert.match(linesOf(() => load(`group_mappings:\n${levels.join('\n')}\n`))[0]!, /YAML has too many aliases/)
})

test('YAML rejects a map that contains itself', () => {
  assert.notDeepEqual(
    faultsOf(() => load(`${minimal}group_mappings: &a\n  b: *a\n`)),
    [],
  )
  assert.notDeepEqual(
    faultsOf(() => load('elasticsearch: &a\n  b: *a\n')),
    [],
  )
})

test('YAML syntax errors do not quote a secret on the same line', () => {
  for (const value of [
    '*hunter2',
    '!hunter2 x',
    '"hunter2\\q"',
    '@hunter2',
    '[hunter2',
    '%hunter2',
    'a: hunter2: b',
    '"hunter2" x',
  ]) {
    const lines = linesOf(() => load(`elasticsearch:\n  password: ${value}\n`))
    assert.notEqual(lines.length, 0, value)
    assert.doesNotMatch(lines.join('\n'), /hunter2/, value)
  }
})

test('empty values and sections in YAML leave the defaults', () => {
  const { config } = load(`${minimal}cache:\n  type: ""\n  path:\nproxy:\nlisten:\n`)
  assert.equal(config.cache.type, 'memory')
  assert.deepEqual(config.listen, ['127.0.0.1:5000'])
})

test('a configuration directory is merged in the order of its file names, without hidden and other files', () => {
  const { directory } = writeFiles({
    '1.yml': minimal,
    '2.yaml': 'cache:\n  type: redis\n',
    '.3.yml': '[',
    'notes.txt': '[',
  })
  const { config, file } = loadConfig({ file: yamlFile(directory), env: {}, flags: {} })
  assert.equal(config.cache.type, 'redis')
  assert.equal(file, directory)
})

test('a key in two files of a configuration directory is a fault that names both places', () => {
  const { directory } = writeFiles({ 'a.yml': `${minimal}listen: ":1"\n`, 'b.yml': 'listen: ":1"\n' })
  assert.match(
    linesOf(() => loadConfig({ file: yamlFile(directory), env: {}, flags: {} }))[0]!,
    /^1 listen is also set in .*a\.yml:3/,
  )
})

test('a missing configuration file, an empty directory and a binary file are faults', () => {
  const { directory } = writeFiles({})
  const { bin } = writeFiles({ bin: 'a: \0\u0001' })
  for (const file of [directory, `${directory}/none.yml`, bin]) {
    assert.equal(faultsOf(() => loadConfig({ file: yamlFile(file), env: {}, flags: {} }))[0]?.file, file)
  }
})

test('config.yml in the working directory is read by default', async (t) => {
  const originalDirectory = process.cwd()
  t.after(() => process.chdir(originalDirectory))
  process.chdir(writeFiles({ 'config.yml': minimal }).directory)
  assert.equal(loadConfig({ file: await openConfigFile(), env: {}, flags: {} }).file, 'config.yml')
  process.chdir(writeFiles({}).directory)
  assert.equal(
    loadConfig({
      file: await openConfigFile(),
      env: { ELASTAUTH_SECRET_KEY: key, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' },
      flags: {},
    }).file,
    undefined,
  )
})
