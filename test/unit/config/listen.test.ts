import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ConfigSource, findListeners, loadConfig } from '../../../config/load.ts'
import { key, writeFiles } from './fixture.ts'

const addressesOf = (source: ConfigSource) =>
  findListeners(source).map((listener) => {
    const place = listener.kind === 'unix' ? `unix:${listener.path}` : `${listener.host}:${listener.port}`
    return `${listener.isTls ? 'https://' : ''}${place}`
  })

const find = (yaml: string, env = {}, flags = {}) =>
  addressesOf({ file: writeFiles({ 'config.yml': yaml })['config.yml'], env, flags })

test('listen is found where all the rest is broken', () => {
  const yaml = 'listen: ":6000"\nsecret_key: x\nlistn: 1\nelasticsearch: { ca_cert: /does/not/exist }\n'
  assert.deepEqual(find(yaml, { ELASTAUTH_NONSENSE: 'x' }, { nonsense: 'x' }), [':6000'])
})

test('listen may be a list; without a scheme TLS is spoken where there is a certificate', () => {
  const yaml = 'listen: [":6000", "http://:6001", "https://:6002", "unix:/a.sock", "http://unix:/b.sock"]\n'
  assert.deepEqual(find(yaml), [':6000', ':6001', 'https://:6002', 'unix:/a.sock', 'unix:/b.sock'])
  const withTls = `${yaml}tls: { cert: /does/not/exist }`
  const expected = ['https://:6000', ':6001', 'https://:6002', 'https://unix:/a.sock', 'unix:/b.sock']
  assert.deepEqual(find(withTls), expected)
})

test('listen has the precedence it has in serving: file, environment, flag', () => {
  const env = { ELASTAUTH_LISTEN: ':6001' }
  assert.deepEqual(find('listen: ":6000"', env), [':6001'])
  assert.deepEqual(find('listen: ":6000"', env, { listen: ':6002' }), [':6002'])
})

test('listen is its default where it is missing, broken, or in a file that cannot be read', () => {
  for (const yaml of ['', 'listen: 6000', 'listen: nowhere', 'listen: ["', 'listen:'])
    assert.deepEqual(find(yaml), ['127.0.0.1:5000'], yaml)
  assert.deepEqual(addressesOf({ file: '/does/not/exist', env: {}, flags: {} }), ['127.0.0.1:5000'])
})

test('file null is no file, not even the working directory’s config.yml', () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-config-'))
  const before = process.cwd()
  const env = { ELASTAUTH_SECRET_KEY: key, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }
  try {
    process.chdir(directory)
    writeFileSync('config.yml', 'listen: ":6000"')
    assert.deepEqual(loadConfig({ env, flags: {} }).config.listen, [':6000'])
    const loaded = loadConfig({ file: null, env, flags: {} })
    assert.deepEqual(loaded.config.listen, ['127.0.0.1:5000'])
    assert.ok(!('file' in loaded))
    assert.deepEqual(addressesOf({ file: null, env, flags: {} }), ['127.0.0.1:5000'])
  } finally {
    process.chdir(before)
    rmSync(directory, { recursive: true })
  }
})
