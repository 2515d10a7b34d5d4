import { isObject, parseObject } from '../http/json-object.ts'
import { percentDecode } from '../http/target.ts'
import { boundName } from '../observability/logged-names.ts'

/** Why a list of index names may lack some. */
export type Incomplete = 'compressed' | 'too_long' | 'malformed' | 'too_many'

export type IndexNames = Readonly<{ names: readonly string[]; incomplete?: Incomplete | undefined }>

/** A body whose index names are in its lines (NDJSON). */
export type BodyKind = '_bulk' | '_msearch'

const maxNames = 50
/** The maximum size of all names as JSON, in bytes. */
const maxBytes = 1000

/**
 * The index names in a path of Elasticsearch: in `/NAME,NAME/_API`, and for PUT and DELETE in `/NAME`. A path of Kibana has none
 * of these forms.
 */
export function indexNamesOfPath(method: string, path: string): readonly string[] {
  const [first = '', second] = segmentsOf(path)
  const isIndex = second === undefined ? method === 'PUT' || method === 'DELETE' : second.startsWith('_')
  return isIndex && !first.startsWith('_') ? first.split(',').filter((name) => name !== '') : []
}

export function bodyKindOf(path: string): BodyKind | undefined {
  const segments = segmentsOf(path)
  const name = segments.at(-1) === 'template' ? segments.at(-2) : segments.at(-1)
  return name === '_bulk' || name === '_msearch' ? name : undefined
}

/** @param path without the query */
function segmentsOf(path: string): string[] {
  const segments = path.split('/').filter((segment) => segment !== '')
  return path.includes('%') ? segments.map((segment) => percentDecode(segment) ?? segment) : segments
}

/** @param head the beginning of a body. @param isWhole whether it is the whole body */
export function indexNamesOfBody(kind: BodyKind, head: string, isWhole: boolean): IndexNames {
  const names = new Set<string>()
  const lines = head.split('\n')
  if (!isWhole) lines.pop() // the last line is cut off
  for (let i = 0; i < lines.length; i++) {
    if (lines[i]!.trim() === '') continue
    const header = readHeader(kind, lines[i]!)
    if (header === undefined) return { names: [...names], incomplete: 'malformed' }
    for (const name of header.names) names.add(name)
    if (header.hasBody) i++
  }
  return { names: [...names], incomplete: isWhole ? undefined : 'too_long' }
}

type Header = Readonly<{ names: readonly string[]; hasBody: boolean }>

/** A line that says what to do with the next one. */
function readHeader(kind: BodyKind, line: string): Header | undefined {
  const header = parseObject(line)
  if (header === undefined) return undefined
  if (kind === '_msearch') return { names: namesIn(header.index), hasBody: true }
  const [action = '', target] = Object.entries(header)[0] ?? []
  if (!bulkActions.includes(action) || !isObject(target)) return undefined
  return { names: namesIn(target._index), hasBody: action !== 'delete' }
}

const bulkActions = ['index', 'create', 'update', 'delete']

function namesIn(value: unknown): string[] {
  const texts = Array.isArray(value) ? value : [value]
  return texts.flatMap((text) => (typeof text === 'string' ? text.split(',').filter((name) => name !== '') : []))
}

/** The first names that fit on a line, without duplicates and with escaped control characters. */
export function boundIndexNames({ names, incomplete }: IndexNames): IndexNames {
  const bound = new Set<string>()
  let bytes = 0
  for (const name of names) {
    const text = boundName(name)
    if (bound.has(text)) continue
    bytes += Buffer.byteLength(JSON.stringify(text)) + 1
    if (bound.size === maxNames || bytes > maxBytes) return { names: [...bound], incomplete: 'too_many' }
    bound.add(text)
  }
  return { names: [...bound], incomplete }
}
