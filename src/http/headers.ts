/**
 * Header fields as in Node's `rawHeaders`: names and values alternate, with duplicates, order and case preserved.
 * Duplicates can be detected only in this form, because Node's `headers` joins the values or drops all but one.
 */
export type RawHeaders = readonly string[]

/** Whether two header names are the same, which are case-insensitive (RFC 9110, 5.1). @param expected in lower case */
export function isHeader(name: string, expected: string): boolean {
  return name.length === expected.length && (name === expected || name.toLowerCase() === expected)
}

/** The values of all headers with a name, in order. @param name in lower case */
export function valuesOf(headers: RawHeaders, name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    if (isHeader(headers[i]!, name)) values.push(headers[i + 1]!)
  }
  return values
}

/**
 * The value of a header that may occur only once (RFC 9110, 5.3); undefined if it is absent. Throws the error that
 * `duplicate` creates if it occurs several times, even with equal values, because servers disagree on which one counts.
 * Allocates nothing.
 * @param name in lower case
 */
export function singleValueOf(headers: RawHeaders, name: string, duplicate: () => Error): string | undefined {
  let value: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (!isHeader(headers[i]!, name)) continue
    if (value !== undefined) throw duplicate()
    value = headers[i + 1]!
  }
  return value
}

/** Whether any header fulfills a condition. */
export function someHeader(headers: RawHeaders, condition: (name: string, value: string) => boolean): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    if (condition(headers[i]!, headers[i + 1]!)) return true
  }
  return false
}

/** The names of all headers, in their original case. */
export function namesOf(headers: RawHeaders): string[] {
  return headers.filter((_, i) => i % 2 === 0)
}

/** A copy without the headers that have one of the names. @param names in lower case */
export function withoutHeaders(headers: RawHeaders, names: ReadonlySet<string>): string[] {
  return headers.filter((_, i) => !names.has(headers[i - (i % 2)]!.toLowerCase()))
}

/** The field lines of a head (RFC 9112, 5), without line breaks. */
export function fieldLinesOf(headers: RawHeaders): string[] {
  return headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []))
}

/**
 * Converts headers to the object that Node's functions expect: names in lower case, the values of duplicates as a list.
 * The object has no prototype, because a peer may send a header named `constructor` or `__proto__`.
 */
export function toHeaderObject(headers: RawHeaders): Record<string, string | string[]> {
  const object: Record<string, string | string[]> = Object.create(null)
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!.toLowerCase()
    const before = object[name]
    object[name] = before === undefined ? headers[i + 1]! : [before, headers[i + 1]!].flat()
  }
  return object
}

/**
 * The options of all `Connection` headers, in lower case. They name the headers that are for this connection only (RFC
 * 9110, 7.6.1). Returns undefined, without an allocation, if there are no options except `keep-alive` and `close`.
 */
export function connectionOptionsOf(headers: RawHeaders): Set<string> | undefined {
  let options: Set<string> | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (isHeader(headers[i]!, 'connection')) options = addConnectionOptions(options, headers[i + 1]!)
  }
  return options
}

/**
 * Adds the options of a `Connection` header's value to the given set, or to a new set if there is none yet and one is
 * needed.
 */
export function addConnectionOptions(options: Set<string> | undefined, value: string): Set<string> | undefined {
  const text = value.toLowerCase()
  if (text === 'keep-alive' || text === 'close') return options
  const all = options ?? new Set()
  for (const option of text.split(',')) all.add(option.trim())
  return all
}
