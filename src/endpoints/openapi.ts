import { errorTable } from '../http/errors.ts'

type Description = Readonly<{
  summary: string
  /** The media type of the 200 response. */
  type?: string
  /** Statuses other than 200, with their descriptions. */
  otherResponses?: Readonly<Record<number, string>>
  /**
   * The form fields, with their descriptions. An endpoint with form fields is described for POST.
   */
  form?: Readonly<Record<string, string>>
  /** GET by default, or POST with `form`. */
  method?: 'delete'
  /** The endpoint's other methods. */
  also?: readonly Description[]
}>

const json = 'application/json'
const text = { type: 'string' }
const html = 'text/html'

/** The endpoints below `/elastauth/`, by name. */
const endpoints: Readonly<Record<string, Description>> = {
  health: { summary: 'Health check: the process responds', type: json },
  live: { summary: 'Liveness probe: the process responds', type: json },
  ready: {
    summary:
      'Startup probe and monitoring: Elasticsearch, upstreams and the other services that elastauth needs are available',
    type: json,
    otherResponses: { 503: 'A service is down; direct requests from loopback and private addresses see which' },
  },
  metrics: {
    summary: 'Metrics in the Prometheus text format, for direct requests from loopback and private addresses',
    type: 'text/plain',
    otherResponses: { 403: 'Not allowed' },
  },
  start: { summary: 'The start page', type: html },
  whoami: {
    summary: 'Your identity and your roles, or why you have none; a page for browsers',
    type: json,
    otherResponses: { 401: 'Not authenticated' },
  },
  config: {
    summary: 'The configuration with masked secrets, for requests from this machine and users with admin_roles',
    type: json,
    otherResponses: { 403: 'Not allowed' },
  },
  errors: {
    summary: 'The latest kinds of errors, for elastauth doctor on this machine',
    type: json,
    otherResponses: { 403: 'Not allowed' },
  },
  docs: { summary: 'This list as an HTML page', type: html },
  'openapi.yaml': { summary: 'This list as an OpenAPI document', type: 'application/yaml' },
  login: {
    summary: 'Signs in at the identity provider or with a form, then redirects to return_to',
    type: html,
    otherResponses: { 302: 'Redirect to the identity provider' },
  },
  callback: {
    summary: 'The redirect URI of the identity provider',
    otherResponses: { 303: 'Redirect to the page where the login began' },
  },
  logout: {
    summary: 'Signs out here and, if users sign in there, at the identity provider',
    type: html,
    otherResponses: { 303: 'Redirect to the logout of the identity provider' },
  },
  'signed-out': { summary: 'The page after signing out', type: html },
  'backchannel-logout': {
    summary: 'Logout notification of the identity provider (OpenID Connect Back-Channel Logout 1.0)',
    form: { logout_token: 'A signed JSON Web Token' },
    otherResponses: { 400: 'The token is not valid or does not belong to a session' },
  },
  account: {
    summary: 'Your identity, your roles and your sessions, and a form to end sessions',
    type: html,
    otherResponses: { 401: 'Not authenticated' },
    also: [
      {
        summary: 'Ends your own sessions',
        form: { end: 'The id of a session, `others` or `all`' },
        otherResponses: { 303: 'Redirect to this page, or to the page after signing out' },
      },
    ],
  },
  'admin/users/{name}/sessions': {
    summary: 'The sessions of a user, for users with admin_roles',
    type: json,
    otherResponses: { 403: 'Not allowed', 404: 'No user can have this name' },
    also: [
      {
        summary: 'Ends all sessions of a user',
        method: 'delete',
        type: json,
        otherResponses: { 403: 'Not allowed', 404: 'No user can have this name' },
      },
    ],
  },
  'admin/users/{name}/sessions/{id}': {
    summary: 'Ends a session of a user, for users with admin_roles',
    method: 'delete',
    type: json,
    otherResponses: { 403: 'Not allowed', 404: 'The user has no such session' },
  },
}

/** The API for administrators, which one endpoint serves. */
export const adminPath = '/elastauth/admin/'
export const adminNames = Object.keys(endpoints).filter((name) => name.startsWith('admin/'))

/** In addition to GET of `login`, which shows the form. */
const signInForm: Description = {
  summary: 'Signs in with the form that GET shows',
  form: { state: 'The hidden field of the form', username: 'The username', password: 'The password' },
  otherResponses: { 303: 'Redirect to return_to with a session, or back to the form, which says what is wrong' },
}

export type OpenApi = Readonly<{ paths: Readonly<Record<string, unknown>> }> & Readonly<Record<string, unknown>>

export const summaryOf = (name: string): string | undefined => endpoints[name]?.summary

/**
 * The OpenAPI 3.1 document of a listener.
 * @param names the names of the listener's endpoints
 * @param subRequests where the listener accepts sub-requests; undefined if it accepts none
 * @param hasSignInForm whether users sign in with a form
 */
export function describeApi(
  names: readonly string[],
  subRequests: Readonly<{ pathPrefix: string | null }> | undefined,
  hasSignInForm: boolean,
  version: string,
): OpenApi {
  const described = hasSignInForm ? { ...endpoints, login: { ...endpoints.login!, also: [signInForm] } } : endpoints
  const endpointPaths = names.map((name) => [
    `/elastauth/${name}`,
    describeEndpoint(name, described[name] ?? { summary: name }),
  ])
  return {
    openapi: '3.1.1',
    info: { title: 'elastauth', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: { ...(subRequests && describeSubRequests(subRequests)), ...Object.fromEntries(endpointPaths) },
    components: { schemas: { Authenticated: authenticated, Error: error } },
  }
}

function describeEndpoint(name: string, { also = [], ...description }: Description) {
  const parameters = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: text,
  }))
  return {
    ...(parameters.length > 0 && { parameters }),
    ...Object.fromEntries([description, ...also].map(describeOperation)),
  }
}

function describeOperation({ summary, type, otherResponses = {}, form, method }: Description) {
  const responses = {
    ...(type && { 200: { description: 'OK', content: { [type]: {} } } }),
    ...(form && !(303 in otherResponses) && { 200: { description: 'OK' } }),
    ...Object.fromEntries(Object.entries(otherResponses).map(([status, description]) => [status, { description }])),
    default: failure,
  }
  if (form === undefined) return [method ?? 'get', { summary, responses }]
  const properties = Object.fromEntries(
    Object.entries(form).map(([name, description]) => [name, { type: 'string', description }]),
  )
  const schema = { type: 'object', required: Object.keys(form), properties }
  return ['post', { summary, requestBody: { content: { 'application/x-www-form-urlencoded': { schema } } }, responses }]
}

const failure = { description: 'Error', content: { [json]: { schema: { $ref: '#/components/schemas/Error' } } } }

function describeSubRequests({ pathPrefix }: Readonly<{ pathPrefix: string | null }>) {
  const path = {
    name: 'path',
    in: 'path',
    required: true,
    description: 'The path of the original request',
    schema: text,
  }
  return {
    '/': { get: { summary: 'Forward auth: a sub-request of a proxy, with any method', ...forwardAuth } },
    ...(pathPrefix !== null && {
      [`${pathPrefix}/{path}`]: {
        get: {
          summary: 'Forward auth, for proxies that append the path of the original request',
          parameters: [path],
          ...forwardAuth,
        },
      },
    }),
  }
}

const forwardAuth = {
  responses: {
    200: {
      description: 'The request is allowed',
      headers: {
        Authorization: { description: 'The credential to forward the request with', schema: { type: 'string' } },
      },
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
