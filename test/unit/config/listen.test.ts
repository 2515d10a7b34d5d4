import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../../config/load.ts'
import { type ConfigSource, findListeners, openConfigFile } from '../../../config/read-settings.ts'
import { key, writeFiles, yamlFile } from './fixture.ts'

const addressesOf = (source: ConfigSource) =>
  findListeners(source).map((listener) => {
    const address = listener.kind === 'unix' ? `unix:${listener.path}` : `${listener.host}:${listener.port}`
    return `${listener.isTls ? 'https://' : ''}${address}`
  })

const find = (yaml: string, env = {}, flags = {}) =>
  addressesOf({ file: yamlFile(writeFiles({ 'config.yml': yaml })['config.yml']), env, flags })

test('findListeners reads listen even if everything else is invalid', () => {
  const yaml = 'listen: ":6000"\nsecret_key: x\nlistn: 1\nelasticsearch: { ca_cert: /does/not/exist }\n'
  assert.deepEqual(find(yaml, { ELASTAUTH_NONSENSE: 'x' }, { nonsense: 'x' }), [':6000'])
})

test('findListeners reads a list, and uses TLS for entries without a scheme if there is a certificate', () => {
  const yaml = 'listen: [":6000", "http://:6001", "https://:6002", "unix:/a.sock", "http://unix:/b.sock"]\n'
  assert.deepEqual(find(yaml), [':6000', ':6001', 'https://:6002', 'unix:/a.sock', 'unix:/b.sock'])
  const withTls = `${yaml}tls: { cert: /does/not/exist }`
  const expected = ['https://:6000', ':6001', 'https://:6002', 'https://unix:/a.sock', 'unix:/b.sock']
  assert.deepEqual(find(withTls), expected)
})

test('findListeners lets flags override the environment, and the environment the file', () => {
  const env = { ELASTAUTH_LISTEN: ':6001' }
  assert.deepEqual(find('listen: ":6000"', env), [':6001'])
  assert.deepEqual(find('listen: ":6000"', env, { listen: ':6002' }), [':6002'])
})

test('findListeners returns the default if listen is missing or invalid, or the file cannot be read', () => {
  for (const yaml of ['', 'listen: 6000', 'listen: nowhere', 'listen: ["', 'listen:'])
    assert.deepEqual(find(yaml), ['127.0.0.1:5000'], yaml)
  assert.deepEqual(addressesOf({ file: yamlFile('/does/not/exist'), env: {}, flags: {} }), ['127.0.0.1:5000'])
})

test('findListeners with file null reads no file, not even config.yml in the working directory', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-config-'))
  const originalDirectory = process.cwd()
  const env = { ELASTAUTH_SECRET_KEY: key, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }
  try {
    process.chdir(directory)
    writeFileSync('config.yml', 'listen: ":6000"')
    assert.deepEqual(loadConfig({ file: await openConfigFile(), env, flags: {} }).config.listen, [':6000'])
    const loaded = loadConfig({ file: null, env, flags: {} })
    assert.deepEqual(loaded.config.listen, ['127.0.0.1:5000'])
    assert.ok(!('file' in loaded))
    assert.deepEqual(addressesOf({ file: null, env, flags: {} }), ['127.0.0.1:5000'])
  } finally {
    process.chdir(originalDirectory)
    rmSync(directory, { recursive: true })
  }
})
