import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findListen, loadConfig } from '../../../config/load.ts'
import { key, writeFiles } from './fixture.ts'

const find = (yaml: string, env = {}, flags = {}) =>
  findListen({ file: writeFiles({ 'config.yml': yaml })['config.yml'], env, flags })

test('listen is found where all the rest is broken', () => {
  const yaml = 'listen: ":6000"\nsecret_key: x\nlistn: 1\nelasticsearch: { ca_cert: /does/not/exist }\n'
  assert.equal(find(yaml, { ELASTAUTH_NONSENSE: 'x' }, { nonsense: 'x' }), ':6000')
})

test('listen has the precedence it has in serving: file, environment, flag', () => {
  const env = { ELASTAUTH_LISTEN: ':6001' }
  assert.equal(find('listen: ":6000"', env), ':6001')
  assert.equal(find('listen: ":6000"', env, { listen: ':6002' }), ':6002')
})

test('listen is its default where it is missing, broken, or in a file that cannot be read', () => {
  for (const yaml of ['', 'listen: 6000', 'listen: nowhere', 'listen: ["', 'listen:'])
    assert.equal(find(yaml), '127.0.0.1:5000', yaml)
  assert.equal(findListen({ file: '/does/not/exist', env: {}, flags: {} }), '127.0.0.1:5000')
})

test('file null is no file, not even the working directory’s config.yml', () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-config-'))
  const before = process.cwd()
  const env = { ELASTAUTH_SECRET_KEY: key, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }
  try {
    process.chdir(directory)
    writeFileSync('config.yml', 'listen: ":6000"')
    assert.equal(loadConfig({ env, flags: {} }).config.listen, ':6000')
    const loaded = loadConfig({ file: null, env, flags: {} })
    assert.equal(loaded.config.listen, '127.0.0.1:5000')
    assert.ok(!('file' in loaded))
    assert.equal(findListen({ file: null, env, flags: {} }), '127.0.0.1:5000')
  } finally {
    process.chdir(before)
    rmSync(directory, { recursive: true })
  }
})
