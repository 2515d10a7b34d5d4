import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { verdictTable } from '../integration/neighbours/verdicts.ts'

const folder = join(import.meta.dirname, '../../docs/deployment')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')

test('the table of verdicts is the cases’ own', () => {
  const [, shown] = /<!-- verdicts: [^\n]*-->\n([\s\S]*?)\n?<!-- \/verdicts -->/.exec(read('README.md'))!
  assert.equal(shown, verdictTable(), 'paste what `node test/integration/neighbours/verdicts.ts` prints')
})

for (const file of globSync('*.md', { cwd: folder })) {
  test(`${file}: what it links to is there, and its YAML is YAML`, () => {
    const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]*)/g)]
      .map(([, link]) => link!)
      .filter((link) => link !== '')
    assert.deepEqual(
      links.filter((link) => !existsSync(join(folder, dirname(file), link))),
      [],
    )
    for (const [, block] of read(file).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)) assert.ok(parse(block!))
  })
}
