import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import { exampleFiles, findFaults, pages } from '../../support/documentation.ts'

test('every YAML block of the guide to Traefik and Authelia is part of a file of its example', () => {
  const files = exampleFiles.filter(({ path }) => /^examples\/(?:traefik-authelia|setup)\/.*\.yml$/.test(path))
  const contents = files.map(({ text }) => parse(text, { merge: true }) as unknown)
  const { blocks } = pages.find(({ path }) => path === 'docs/auth-only-mode.md')!
  const yaml = blocks.filter(({ language }) => language === 'yaml')
  assert.ok(yaml.length >= 4)
  const missing = yaml.filter(({ text }) => !contents.some((content) => isPartOf(parse(text), content)))
  assert.deepEqual(missing, [])
})

test('no configuration on a page or in an example grants superuser, or uses the account elastic or the deprecated role kibana_user', () => {
  const blocks = pages.flatMap(({ path, blocks }) =>
    blocks.filter(({ language }) => language === 'yaml').map(({ text }) => ({ path, text })),
  )
  const badHabit = /\b(?:superuser|kibana_user)\b|\busername: "?elastic\b/gi
  assert.deepEqual(
    findFaults([...blocks, ...exampleFiles], badHabit, () => true),
    [],
  )
})

/** Objects may have fewer keys; everything else has to be equal. */
function isPartOf(part: unknown, whole: unknown): boolean {
  if (!isObject(part)) return isDeepStrictEqual(part, whole)
  return isObject(whole) && Object.entries(part).every(([key, value]) => isPartOf(value, whole[key]))
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
