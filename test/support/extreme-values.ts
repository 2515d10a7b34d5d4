import fc from './property.ts'

/** Strings at limits of length, encoding or syntax. */
export const extremeStrings = [
  '',
  ' ',
  '\0',
  'a\nb',
  'a\u0085b',
  'a\u2028b',
  '\ud800',
  'a\udc00b',
  '\ufeffa',
  '__proto__',
  'constructor',
  'a'.repeat(256),
  'a'.repeat(100_000),
  'é'.repeat(501),
  '../../_security/user/elastic',
  '1e309',
]

export const extremeNumbers = [0, -0, -1, 1.5, 2 ** 31, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 1e21, 1e300, -1e300, 5e-324]

const extremeObjects = [
  {},
  [],
  [[]],
  { toString: null, valueOf: 1 },
  { toString: 'x' },
  { length: 7, 0: 'a' },
  ['a', 7],
  Array.from({ length: 100_000 }, (_, i) => i.toString(36)),
  Array.from({ length: 1001 }, (_, i) => `g${i}`),
  JSON.parse('{"__proto__": {"groups": ["admins"]}}'),
  JSON.parse('['.repeat(500) + ']'.repeat(500)),
]

/** Arbitrary JSON values, with a preference for those that break programs. */
export const extremeValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, ...extremeStrings, ...extremeNumbers, ...extremeObjects),
  fc.array(fc.constantFrom<unknown>(...extremeStrings.filter((text) => text.length < 1000), 'admins', 7, null), {
    maxLength: 4,
  }),
  fc.jsonValue({ maxDepth: 3, noUnicodeString: false }),
)

/** A response larger than 1 MiB counts as a provider error, not as a bad value. */
const maxDocumentLength = 900_000

/** Arbitrary objects with one to four of these names, each with an extreme value. */
export function extremeDocument(names: readonly string[]): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 4 })
    .chain((chosen) => fc.tuple(...chosen.map((name) => fc.tuple(fc.constant(name), extremeValue))))
    .map((entries) => Object.fromEntries(entries))
    .filter((document) => JSON.stringify(document).length <= maxDocumentLength)
}
