import { errorTable } from '../http/errors.ts'

type Described = Readonly<{
  summary: string
  /** Media type of a 200. */
  type?: string
  /** Statuses beside 200 and what they mean. */
  others?: Readonly<Record<number, string>>
  /** What asks with POST, in which form; else it is read by GET. */
  form?: Readonly<Record<string, string>>
}>

const json = 'application/json'
const text = { type: 'string' }
const html = 'text/html'

/** What is under `/elastauth/`, by name. */
const pages: Readonly<Record<string, Described>> = {
  health: { summary: 'The process answers', type: json },
  live: { summary: 'The process answers', type: json },
  ready: {
    summary: 'Users can be let in: Elasticsearch and what else is needed are there',
    type: json,
    others: { 503: 'What is down, by name' },
  },
  metrics: { summary: 'Metrics, in Prometheus’ text format', type: 'text/plain' },
  whoami: { summary: 'Who you are, and which roles that gives', type: json, others: { 401: 'Nobody that is known' } },
  config: {
    summary: 'The configuration without its secrets, for this machine or a holder of admin_roles',
    type: json,
    others: { 403: 'Neither of both' },
  },
  docs: { summary: 'This list, for people', type: html },
  'openapi.yaml': { summary: 'This list, for programs', type: 'application/yaml' },
  login: { summary: 'Sends a person to the provider, and back to return_to', others: { 302: 'To the provider' } },
  callback: { summary: 'Where the provider sends a person back to', others: { 303: 'To where the login began' } },
  logout: {
    summary: 'Signs a person out, here and at the provider',
    type: html,
    others: { 303: 'To the provider’s own logout' },
  },
  'signed-out': { summary: 'Says that one is signed out', type: html },
  'backchannel-logout': {
    summary: 'The provider says that somebody has signed out (OpenID Connect Back-Channel Logout 1.0)',
    form: { logout_token: 'A signed JSON Web Token' },
    others: { 400: 'The token is not good, or about no session of ours' },
  },
}

export type OpenApi = Readonly<{ paths: Readonly<Record<string, unknown>> }> & Readonly<Record<string, unknown>>

export const summaryOf = (name: string): string | undefined => pages[name]?.summary

/**
 * The description of our HTTP interface (OpenAPI 3.1).
 * @param names of the pages there are
 * @param subRequests where this listener accepts sub-requests; undefined if it does not
 */
export function describeApi(
  names: readonly string[],
  subRequests: Readonly<{ pathPrefix: string | null }> | undefined,
  version: string,
): OpenApi {
  const own = names.map((name) => [`/elastauth/${name}`, describePage(pages[name] ?? { summary: name })])
  return {
    openapi: '3.1.1',
    info: { title: 'elastauth', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: { ...(subRequests && describeSubRequests(subRequests)), ...Object.fromEntries(own) },
    components: { schemas: { Authenticated: authenticated, Error: error } },
  }
}

function describePage({ summary, type, others = {}, form }: Described) {
  const responses = {
    ...((type || form) && { 200: { description: 'As asked for', ...(type && { content: { [type]: {} } }) } }),
    ...Object.fromEntries(Object.entries(others).map(([status, description]) => [status, { description }])),
    default: failure,
  }
  if (form === undefined) return { get: { summary, responses } }
  const properties = Object.fromEntries(
    Object.entries(form).map(([name, description]) => [name, { type: 'string', description }]),
  )
  const schema = { type: 'object', required: Object.keys(form), properties }
  return { post: { summary, requestBody: { content: { 'application/x-www-form-urlencoded': { schema } } }, responses } }
}

const failure = { description: 'A denial', content: { [json]: { schema: { $ref: '#/components/schemas/Error' } } } }

function describeSubRequests({ pathPrefix }: Readonly<{ pathPrefix: string | null }>) {
  const path = { name: 'path', in: 'path', required: true, description: "The client's path", schema: text }
  return {
    '/': { get: { summary: "Forward auth: a proxy's sub-request, with any method", ...forwardAuth } },
    ...(pathPrefix !== null && {
      [`${pathPrefix}/{path}`]: {
        get: { summary: "The same, for proxies that append the client's path", parameters: [path], ...forwardAuth },
      },
    }),
  }
}

const forwardAuth = {
  responses: {
    200: {
      description: 'The request may pass',
      headers: { Authorization: { description: 'The credential to forward it with', schema: { type: 'string' } } },
      content: { [json]: { schema: { $ref: '#/components/schemas/Authenticated' } } },
    },
    default: failure,
  },
}

const authenticated = {
  type: 'object',
  required: ['message', 'username', 'groups'],
  properties: { message: text, username: text, groups: { type: 'array', items: text }, email: text, name: text },
}

const error = {
  type: 'object',
  required: ['error', 'message', 'request_id'],
  properties: { error: { type: 'string', enum: Object.keys(errorTable) }, message: text, request_id: text },
}
