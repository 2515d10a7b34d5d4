import { readFileSync, realpathSync, statSync } from 'node:fs'
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml'
import { emptyAccessKeyProblem, type Fault, type SourceLocation } from '../faults.ts'
import { describeType } from '../formats/format.ts'
import { getFormat } from '../formats/registry.ts'
import { childrenOf, keys, sections } from '../schema.ts'
import { findNearest, suggest } from '../suggest.ts'
import type { Layer, Setting } from './layer.ts'
import { isSensitiveKey, legacyKeys } from './legacy-keys.ts'
import { isMounted } from './mounts.ts'
import { checkDocument } from './yaml-document.ts'
import { listYamlFiles, unreadableFileFault } from './yaml-files.ts'

const maxFileBytes = 1_048_576

/** Reads a file, or every *.yml and *.yaml file of a directory in alphabetical order. Each key may be set only once. */
export function readYaml(path: string, isOnMount = isMounted): Layer {
  const files = listYamlFiles(path)
  if (!Array.isArray(files)) return { settings: [], faults: [files], warnings: [] }
  const layers = files.map((file) => readFile(file, isOnMount))
  const settings = layers.flatMap((layer) => layer.settings)
  const faults = [...layers.flatMap((layer) => layer.faults), ...checkDuplicates(settings)]
  return { settings, faults, warnings: layers.flatMap(({ warnings }) => warnings) }
}

function readFile(file: string, isOnMount: typeof isMounted): Layer {
  const settings: Setting[] = []
  const faults: Fault[] = []
  const warnings: string[] = []
  try {
    const { mode, size } = statSync(file)
    if (size > maxFileBytes) throw new Error('longer than 1 MiB')
    const lines = new LineCounter()
    // The parser's own check is disabled, because checkDocument reports duplicate keys with both lines.
    const document = parseDocument(readFileSync(file, 'utf8'), {
      lineCounter: lines,
      uniqueKeys: false,
      prettyErrors: false,
    })
    faults.push(...checkDocument(document, file, lines))
    if (document.errors.length === 0 && document.contents !== null && faults.every(({ key }) => key !== 'YAML')) {
      walkSection(document.contents, '', { file, lines, document, settings, faults })
    }
    const secrets = settings.map(({ key }) => key).filter(isSensitiveKey)
    if (secrets.length > 0) {
      const permissions = checkPermissions(file, mode, secrets, isOnMount)
      faults.push(...permissions.faults)
      warnings.push(...permissions.warnings)
    }
  } catch (error) {
    faults.push(unreadableFileFault(file, error))
  }
  return { settings, faults, warnings }
}

/** Checks the permissions of a file with secrets. On a mount, a container cannot change them. */
function checkPermissions(file: string, mode: number, secrets: readonly string[], isOnMount: typeof isMounted) {
  const problem = 'can be written by every user of this machine'
  const isWritable = (mode & 0o002) !== 0
  const isFault = isWritable && !isOnMount(realpathSync(file))
  const faults: Fault[] = isFault ? [{ file, key: 'the file', problem, fix: 'run chmod o-w on it' }] : []
  const warnings = [
    ...(isWritable && !isFault ? [`${file} has secrets (${secrets.join(', ')}) and ${problem}.`] : []),
    ...(mode & 0o004
      ? [
          `${file} has secrets (${secrets.join(', ')}) and can be read by every user of this machine: run chmod o-r on it, or read each secret from a file of its own (ELASTAUTH_..._FILE).`,
        ]
      : []),
  ]
  return { faults, warnings }
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
    const found = isCollection(node) ? 'a list' : describeType(isScalar(node) ? node.value : node)
    walk.faults.push(sectionFault(section, found, { file: walk.file, line: lineOf(given, walk) }))
    return
  }
  for (const pair of node.items) walkPair(pair, section, walk)
}

function sectionFault(section: string, found: string, location: SourceLocation): Fault {
  const example = `${childrenOf(section)[0]}: …`
  const fix =
    section === ''
      ? `write \`${example}\``
      : `write \`${section.split('.').at(-1)}:\` and below it, indented, \`${example}\``
  return { ...location, key: section || 'the file', problem: `expected a map, found ${found}`, fix }
}

function walkPair(pair: Pair, section: string, walk: Walk): void {
  const keyNode = pair.key as Node
  const name = isScalar(keyNode) ? String(keyNode.value) : '?'
  const key = section === '' ? name : `${section}.${name}`
  const location = { file: walk.file, line: lineOf(keyNode, walk) }
  if (name === '__proto__') return // checkDocument reports it
  if (sections.has(key)) {
    if (pair.value !== null) walkSection(pair.value as Node, key, walk)
  } else if (keys.has(key) || legacyKeys.has(key)) {
    readSetting(key, pair.value as Node | null, location, walk)
  } else {
    walk.faults.push({ ...location, key, problem: 'unknown key', fix: suggestKey(name, section) })
  }
}

function readSetting(key: string, node: Node | null, location: SourceLocation, walk: Walk): void {
  const value = node === null ? null : node.toJS(walk.document)
  if (isSet(key, value)) {
    const lineOf = (path: readonly (string | number)[]) => lineOfPart(node!, path, walk)
    walk.settings.push({ key, value, location, isTyped: true, lineOf })
  } else if (keys.get(key)?.restrictsAccess) {
    walk.faults.push({ ...location, key, ...emptyAccessKeyProblem })
  }
}

/**
 * Whether a key is set. `key:` and `key: ""` leave a text key unset, but an empty text is invalid for a list or a
 * boolean.
 */
function isSet(key: string, value: unknown): boolean {
  const { format } = keys.get(legacyKeys.get(key) ?? key)!
  return value !== null && !(value === '' && ['string', 'text or array'].includes(getFormat(format).yamlType))
}

function suggestKey(name: string, section: string): string {
  const siblings = childrenOf(section)
  const sameNameElsewhere = [...keys.keys()].filter((key) => key.split('.').at(-1) === name)
  if (findNearest(name, siblings) === undefined && sameNameElsewhere.length > 0)
    return `did you mean \`${sameNameElsewhere.join('` or `')}\`?`
  return suggest(name, siblings)
}

/** Reports keys that are set in more than one file. checkDocument reports duplicates within a file. */
function checkDuplicates(settings: readonly Setting[]): Fault[] {
  const first = new Map<string, Setting>()
  return settings.flatMap((setting) => {
    const { location } = first.get(setting.key) ?? setting
    if (!first.has(setting.key)) first.set(setting.key, setting)
    if (location.file === setting.location.file) return []
    const problem = `is also set in ${location.file}:${location.line}`
    return [{ ...setting.location, key: setting.key, problem, fix: 'keep one of them' }]
  })
}

function lineOf(node: Node, { lines }: Walk): number {
  return lines.linePos(node.range?.[0] ?? 0).line
}

function lineOfPart(node: Node, path: readonly (string | number)[], walk: Walk): number | undefined {
  const part = path.length > 0 && isCollection(node) ? node.getIn(path, true) : undefined
  return part === undefined ? undefined : lineOf(part as Node, walk)
}
