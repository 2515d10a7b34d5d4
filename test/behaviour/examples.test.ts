import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { testKey } from '../support/gateway.ts'
import { runElastauth } from './elastauth-command.ts'

const examples = join(import.meta.dirname, '../../examples')

for (const file of globSync('*/elastauth.yml', { cwd: examples })) {
  test(`examples/${file} is good configuration, and advises nothing`, async () => {
    const env = { ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
    const { code, stderr } = await runElastauth(['config', 'check', '--config', join(examples, file)], env)
    assert.deepEqual([code, stderr], [0, ''])
  })
}

for (const file of globSync('*/docker-compose.yml', { cwd: examples })) {
  test(`examples/${file}: every file and network it names is there`, () => {
    const { services, networks } = parse(readFileSync(join(examples, file), 'utf8'))
    for (const service of Object.values<{ volumes?: string[]; networks: string[] }>(services)) {
      for (const volume of service.volumes ?? []) readFileSync(join(examples, file, '..', volume.split(':')[0]!))
      for (const network of service.networks) assert.ok(network in networks, network)
    }
  })
}
