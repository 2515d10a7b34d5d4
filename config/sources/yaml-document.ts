import { type Document, isPair, isScalar, isSeq, type LineCounter, type Pair, visit, type YAMLError } from 'yaml'
import type { Fault } from '../faults.ts'

// Replaces the YAML parser's messages, which quote the file and so may contain secrets.
const problemsByCode: { readonly [code: string]: readonly [problem: string, fix: string] } = {
  BAD_ALIAS: ['an unquoted `*` begins an alias', 'put it in quotes, as in "*": [viewer]'],
  BAD_INDENT: ['the indentation is wrong', 'indent with two spaces for each level'],
  TAB_AS_INDENT: ['a tab is used for indentation', 'use spaces'],
  BAD_SCALAR_START: ['a value cannot begin with this character', 'put the value in quotes'],
  BAD_DQ_ESCAPE: ['unknown escape after a backslash in double quotes', 'use single quotes'],
  TAG_RESOLVE_FAILED: ['`!` begins an unknown tag', 'put the value in quotes'],
  MULTIPLE_DOCS: ['there is a second document', 'remove the `---` line'],
  BLOCK_AS_IMPLICIT_KEY: [
    'a map begins in the middle of a line',
    'put the value in quotes, or write the map on separate lines',
  ],
  MISSING_CHAR: ['a quote, bracket, colon or comma is missing', 'check this line and the one above it'],
}

/**
 * Finds faults of the YAML document itself: syntax errors, duplicate keys, keys that allow prototype pollution, and
 * alias bombs.
 */
export function checkDocument(document: Document.Parsed, file: string, lines: LineCounter): Fault[] {
  const lineAt = (offset: number) => lines.linePos(offset).line
  const errors = [...document.errors, ...document.warnings]
  // An unquoted `*` makes the parser misread what follows.
  const aliasErrors = errors.filter(({ code }) => code === 'BAD_ALIAS')
  const faults: Fault[] = (aliasErrors.length > 0 ? aliasErrors : errors)
    .slice(0, 5)
    .map((error) => ({ file, key: 'YAML', ...describeError(error, document, lineAt) }))
  if (faults.length > 0) return faults
  visit(document, {
    Map: (_, map, ancestors) => {
      faults.push(...checkMapKeys(map.items, pathOf(ancestors), file, lineAt))
    },
  })
  if (faults.length > 0) return faults
  try {
    document.toJS({ maxAliasCount: 100 })
  } catch {
    faults.push({
      file,
      line: 1,
      key: 'YAML',
      problem: 'has too many aliases',
      fix: 'write the values without aliases',
    })
  }
  return faults
}

function describeError(
  { code, pos: [offset] }: YAMLError,
  document: Document.Parsed,
  lineAt: (offset: number) => number,
): Pick<Fault, 'line' | 'problem' | 'fix'> {
  const unclosed = findUnclosedBracket(document, offset)
  if (unclosed !== undefined) {
    const [open, close] = unclosed.isList ? '[]' : '{}'
    return { line: lineAt(unclosed.start), problem: `\`${open}\` is not closed`, fix: `add \`${close}\`` }
  }
  const [problem, fix] = problemsByCode[code] ?? ['is not valid YAML', 'check this line and the one above it']
  return { line: lineAt(offset), problem, fix }
}

/** The outermost list or map in brackets that the parser ends at an error, because its closing bracket is missing. */
function findUnclosedBracket(document: Document.Parsed, errorOffset: number) {
  let found: Readonly<{ start: number; isList: boolean }> | undefined
  visit(document, {
    Collection(_, node) {
      if (!node.flow || node.range?.[1] !== errorOffset) return undefined
      found = { start: node.range[0], isList: isSeq(node) }
      return visit.BREAK
    },
  })
  return found
}

/** The prefix of the keys in a map: `elasticsearch.` for the map below that key. */
function pathOf(ancestors: readonly unknown[]): string {
  return ancestors.map((node) => (isPair(node) ? `${node.key}.` : '')).join('')
}

function checkMapKeys(pairs: readonly Pair[], path: string, file: string, lineAt: (offset: number) => number): Fault[] {
  const firstLine = new Map<string, number>()
  return pairs.flatMap(({ key }): Fault[] => {
    if (!isScalar(key))
      return [{ file, line: 1, key: 'YAML', problem: 'has a key that is not text', fix: 'write the name of a key' }]
    const name = String(key.value)
    const line = lineAt(key.range?.[0] ?? 0)
    const first = firstLine.get(name)
    if (first === undefined) firstLine.set(name, line)
    if (name === '__proto__') return [{ file, line, key: path + name, problem: 'cannot be a key', fix: 'remove it' }]
    if (first === undefined) return []
    return [{ file, line, key: path + name, problem: `is set twice, first in line ${first}`, fix: 'keep one of them' }]
  })
}
