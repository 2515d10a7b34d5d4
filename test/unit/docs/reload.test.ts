import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../config/load.ts'
import { type Config, keys } from '../../../config/schema.ts'
import { planReload } from '../../../src/app/options/reload-plan.ts'
import { pages } from '../../support/documentation.ts'

const secret = '5eed0f7e57'.padEnd(64, '0123456789abcdef')
const env = { ELASTAUTH_SECRET_KEY: secret, ELASTAUTH_ELASTICSEARCH_DRY_RUN: 'true' }
const { config } = loadConfig({ file: null, env, flags: {} })
const changedValue = 'changed'

test('docs/configuration.md names exactly the keys whose changes SIGHUP applies', () => {
  const applied = [...keys.keys()].filter(isApplied)
  const { listed, excepted } = readPage()
  const isIn = (key: string, names: readonly string[]) =>
    names.some((name) => key === name || key.startsWith(`${name}.`))
  const documented = [...keys.keys()].filter((key) => isIn(key, listed) && !isIn(key, excepted))
  assert.deepEqual(documented, applied)
  for (const name of [...listed, ...excepted])
    assert.ok(
      [...keys.keys()].some((key) => isIn(key, [name])),
      `${name} is not a key`,
    )
})

/** Whether a reload with another value of this key applies it. */
function isApplied(key: string): boolean {
  const next = structuredClone(config)
  const [name = '', ...parents] = key.split('.').reverse()
  sectionOf(next, parents.reverse())[name] = changedValue
  return sectionOf(planReload(config, next).config, parents)[name] === changedValue
}

function sectionOf(values: Config, path: readonly string[]): Record<string, unknown> {
  return path.reduce(
    (section, part) => section[part] as Record<string, unknown>,
    values as unknown as Record<string, unknown>,
  )
}

/** The names in the sentence about SIGHUP: `a`, `b` except `b.c` and `d`. */
function readPage() {
  const { text } = pages.find(({ path }) => path === 'docs/configuration.md')!
  const [, sentence = ''] = /SIGHUP applies changes of (.*?), and reads/s.exec(text) ?? []
  const names = [...sentence.matchAll(/(except )?`([a-z_.]+)`/g)].map(([, except, name = '']) => ({ except, name }))
  return {
    listed: names.filter(({ except }) => except === undefined).map(({ name }) => name),
    excepted: names.filter(({ except }) => except !== undefined).map(({ name }) => name),
  }
}
