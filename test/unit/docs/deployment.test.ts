import assert from 'node:assert/strict'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { runElastauth } from '../../behavior/elastauth-command.ts'
import { verdictTable } from '../../integration/interop/verdict-table.ts'
import { testKey } from '../../support/gateway.ts'

const folder = join(import.meta.dirname, '../../../docs/deployment')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')

test('the table in docs/deployment/README.md equals the cases of the interop tests', () => {
  const [, shown] = /<!-- verdicts: [^\n]*-->\n([\s\S]*?)\n?<!-- \/verdicts -->/.exec(read('README.md'))!
  assert.equal(shown, verdictTable(), 'paste what `node test/integration/interop/verdict-table.ts` prints')
})

test('the configuration in docs/deployment/README.md is valid', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'elastauth-docs-'))
  const file = join(directory, 'config.yml')
  writeFileSync(file, /^```yaml\n([\s\S]*?)^```$/m.exec(read('README.md'))![1]!)
  const env = { ELASTAUTH_SECRET_KEY: testKey, ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme' }
  const { code, stderr } = await runElastauth(['config', 'check', '--config', file], env)
  rmSync(directory, { recursive: true })
  assert.deepEqual([code, stderr], [0, ''])
})

for (const file of globSync('*.md', { cwd: folder })) {
  test(`the YAML blocks of docs/deployment/${file} can be parsed`, () => {
    for (const [, block] of read(file).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)) assert.ok(parse(block!))
  })
}
