import { readFileSync, statSync } from 'node:fs'
import { type Document, isAlias, isCollection, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { emptyAccessKeyProblem, type Fault } from '../faults.ts'
import { describeType } from '../formats/format.ts'
import { getFormat } from '../formats/registry.ts'
import { childrenOf, keys, sections } from '../schema.ts'
import { findNearest, suggest } from '../suggest.ts'
import type { Layer, Setting } from './layer.ts'
import { legacyKeys } from './legacy-keys.ts'
import { checkDocument } from './yaml-document.ts'
import { listYamlFiles, unreadableFileFault } from './yaml-files.ts'

const maxFileBytes = 1_048_576

/** Reads a file, or every *.yml and *.yaml of a directory in the order of their names. A key may be given once only. */
export function readYaml(path: string): Layer {
  const files = listYamlFiles(path)
  if (!Array.isArray(files)) return { settings: [], faults: [files], warnings: [] }
  const read = files.map(readFile)
  const settings = read.flatMap((layer) => layer.settings)
  const faults = [...read.flatMap((layer) => layer.faults), ...checkDoubles(settings)]
  return { settings, faults, warnings: [] }
}

function readFile(file: string): Layer {
  const settings: Setting[] = []
  const faults: Fault[] = []
  try {
    if (statSync(file).size > maxFileBytes) throw new Error('longer than 1 MiB')
    const lines = new LineCounter()
    // Duplicates are found by checkDocument, which can name both lines
    const document = parseDocument(readFileSync(file, 'utf8'), {
      lineCounter: lines,
      uniqueKeys: false,
      prettyErrors: false,
    })
    faults.push(...checkDocument(document, file, lines))
    if (document.errors.length === 0 && document.contents !== null && faults.every(({ key }) => key !== 'YAML')) {
      walkSection(document.contents, '', { file, lines, document, settings, faults })
    }
  } catch (error) {
    faults.push(unreadableFileFault(file, error))
  }
  return { settings, faults, warnings: [] }
}

type Walk = {
  readonly file: string
  readonly lines: LineCounter
  readonly document: Document.Parsed
  readonly settings: Setting[]
  readonly faults: Fault[]
}

function walkSection(given: Node, section: string, walk: Walk): void {
  const node = isAlias(given) ? given.resolve(walk.document) : given
  if (node === undefined || (isScalar(node) && node.value === null)) return
  if (!isMap(node)) {
    const { file } = walk
    const example = `${childrenOf(section)[0]}: …`
    const found = isCollection(node) ? 'a list' : describeType(isScalar(node) ? node.value : node)
    const fix =
      section === ''
        ? `write \`${example}\``
        : `write \`${section.split('.').at(-1)}:\` and below it, indented, \`${example}\``
    walk.faults.push({
      file,
      line: lineOf(given, walk),
      key: section || 'the file',
      problem: `expected a map, found ${found}`,
      fix,
    })
    return
  }
  for (const pair of node.items) {
    const keyNode = pair.key as Node
    const name = isScalar(keyNode) ? String(keyNode.value) : '?'
    const key = section === '' ? name : `${section}.${name}`
    const location = { file: walk.file, line: lineOf(keyNode, walk) }
    // Already a fault of its own
    if (name === '__proto__') continue
    if (sections.has(key)) {
      if (pair.value !== null) walkSection(pair.value as Node, key, walk)
    } else if (keys.has(key) || legacyKeys.has(key)) {
      const value = pair.value === null ? null : (pair.value as Node).toJS(walk.document)
      if (isSet(key, value)) {
        walk.settings.push({
          key,
          value,
          location,
          isTyped: true,
          lineOf: (path) => lineOfPart(pair.value as Node, path, walk),
        })
      } else if (keys.get(key)?.restrictsAccess) walk.faults.push({ ...location, key, ...emptyAccessKeyProblem })
    } else {
      walk.faults.push({ ...location, key, problem: 'unknown key', fix: suggestKey(name, section) })
    }
  }
}

/** `key:` and `key: ""` leave a key of text unset; a list or a boolean cannot be empty text. */
function isSet(key: string, value: unknown): boolean {
  const { format } = keys.get(legacyKeys.get(key) ?? key)!
  return value !== null && !(value === '' && ['string', 'text or array'].includes(getFormat(format).yamlType))
}

function suggestKey(name: string, section: string): string {
  const siblings = childrenOf(section)
  const elsewhere = [...keys.keys()].filter((key) => key.split('.').at(-1) === name)
  if (findNearest(name, siblings) === undefined && elsewhere.length > 0)
    return `did you mean \`${elsewhere.join('` or `')}\`?`
  return suggest(name, siblings)
}

function checkDoubles(settings: readonly Setting[]): Fault[] {
  const first = new Map<string, Setting>()
  return settings.flatMap((setting) => {
    const { location } = first.get(setting.key) ?? setting
    if (!first.has(setting.key)) first.set(setting.key, setting)
    // A key doubled within one file is checkDocument's
    if (location.file === setting.location.file) return []
    const problem = `is in ${location.file}:${location.line} too`
    return [{ ...setting.location, key: setting.key, problem, fix: 'keep it in one file' }]
  })
}

function lineOf(node: Node, { lines }: Walk): number {
  return lines.linePos(node.range?.[0] ?? 0).line
}

function lineOfPart(node: Node, path: readonly (string | number)[], walk: Walk): number | undefined {
  const part = path.length > 0 && isCollection(node) ? node.getIn(path, true) : undefined
  return part === undefined ? undefined : lineOf(part as Node, walk)
}
