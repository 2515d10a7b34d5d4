import { suggestField } from '../suggest.ts'
import { httpUrlList } from './addresses.ts'
import { describeType, type Format, isPlainMap, type Problem, validateValue } from './format.ts'
import { headerMap } from './mappings.ts'
import { checkRouteTls, completeRouteTls, type RouteTls, routeTlsJson } from './route-tls.ts'

export type { RouteTls }

/** A route of proxy mode. `null` matches any host or path. */
export type Route = {
  readonly host: string | null
  readonly path: string | null
  readonly upstreams: readonly string[]
  readonly strip_path: boolean
  readonly auth: 'required' | 'none'
  /** Whether `Authorization` has the credential of the user. */
  readonly credential: 'user' | 'none'
  /** Whether `Remote-User` and other headers name the user. */
  readonly identity_headers: boolean
  readonly headers: { readonly [name: string]: string }
  readonly tls: RouteTls
}

const fields: {
  readonly [field: string]: { readonly expected: string; readonly isValid: (value: unknown) => boolean }
} = {
  host: { expected: 'a host name, e.g. kibana.example.com', isValid: (value) => isText(value, /^[A-Za-z0-9._-]+$/) },
  path: { expected: 'a path that begins with /', isValid: (value) => isText(value, /^\/[^\s?#]*$/) },
  upstreams: { expected: 'a list of URLs', isValid: (value) => Array.isArray(value) && value.length > 0 },
  strip_path: { expected: 'true or false', isValid: (value) => typeof value === 'boolean' },
  auth: { expected: 'required or none', isValid: (value) => value === 'required' || value === 'none' },
  credential: { expected: 'user or none', isValid: (value) => value === 'user' || value === 'none' },
  identity_headers: { expected: 'true or false', isValid: (value) => typeof value === 'boolean' },
  headers: { expected: 'a map of header names to values', isValid: isPlainMap },
  tls: { expected: 'a map', isValid: () => true },
}

/** Checks for the fields whose values are lists or maps. */
const nestedChecks: { readonly [field: string]: (value: unknown) => readonly Problem[] } = {
  upstreams: (value) => validateValue(httpUrlList, value),
  headers: (value) => validateValue(headerMap, value),
  tls: checkRouteTls,
}

export const routeList: Format<readonly Route[]> = {
  yamlType: 'array',
  noun: 'a list of routes',
  hint: 'write e.g. [{path: /, upstreams: ["https://elasticsearch:9200"]}], or as JSON in the environment',
  jsonSchema: {
    type: 'array',
    items: {
      type: 'object',
      additionalProperties: false,
      required: ['upstreams'],
      properties: {
        host: { type: ['string', 'null'] },
        path: { type: ['string', 'null'], pattern: '^/' },
        upstreams: { ...httpUrlList.jsonSchema, minItems: 1 },
        strip_path: { type: 'boolean' },
        auth: { enum: ['required', 'none'] },
        credential: { enum: ['user', 'none'] },
        identity_headers: { type: 'boolean' },
        headers: headerMap.jsonSchema,
        tls: routeTlsJson,
      },
    },
  },
  parse: (value) => {
    const list = typeof value === 'string' ? parseJson(value) : value
    return Array.isArray(list) ? list.map(withDefaults) : undefined
  },
  check: (routes) => routes.flatMap((route, index) => checkRoute(route, index)),
}

/** A route without its upstreams, if nothing else is configured. */
export const routeDefaults: Omit<Route, 'upstreams'> = {
  host: null,
  path: null,
  strip_path: false,
  auth: 'required',
  credential: 'user',
  identity_headers: false,
  headers: {},
  tls: completeRouteTls(undefined),
}

function withDefaults(route: unknown): Route {
  // A malformed route is kept, so that checkRoute reports it
  if (!isPlainMap(route)) return route as unknown as Route
  const tls = completeRouteTls(route.tls)
  return { ...routeDefaults, ...route, tls } as Route
}

function checkRoute(route: unknown, index: number): readonly Problem[] {
  if (!isPlainMap(route)) {
    return [{ problem: `has ${describeType(route)} where a route is expected`, fix: routeList.hint, path: [index] }]
  }
  const missing: Problem[] =
    'upstreams' in route
      ? []
      : [{ problem: 'has a route without upstreams', fix: 'add upstreams: [URL]', path: [index] }]
  return [...missing, ...Object.entries(route).flatMap(([name, value]) => checkField(name, value, [index, name]))]
}

function checkField(name: string, value: unknown, path: readonly (string | number)[]): readonly Problem[] {
  if (!Object.hasOwn(fields, name)) {
    return [{ problem: `has the unknown key ${JSON.stringify(name)}`, fix: suggestField(name, fields), path }]
  }
  const field = fields[name]!
  if (value === null && (name === 'host' || name === 'path')) return []
  if (!field.isValid(value)) return [{ problem: `has a malformed ${name}`, fix: `write ${field.expected}`, path }]
  const nestedProblems = nestedChecks[name]?.(value) ?? []
  return nestedProblems.map((problem) => ({ ...problem, path: [...path, ...(problem.path ?? [])] }))
}

function isText(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
