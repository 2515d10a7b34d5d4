import type { IncomingMessage } from 'node:http'
import { after } from 'node:test'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'
import { createUserAgent, type UserAgent } from './oidc/user-agent.ts'
import { startUpstream, type Upstream, userOf } from './upstream.ts'

export const passwords = { alice: 'correct horse', bob: 'battery staple', carol: 'no group' }

/** The hashes of these passwords have the least cost that argon2id allows. */
export const users = {
  alice: {
    password_hash: '$argon2id$v=19$m=8,t=1,p=1$N0Otm9SGk2CF2hGFKaXM9g$lcK2JsvkOHwg45rs2LcNHqkbu8pBy6qF2VK0VaENwDw',
    groups: ['admins'],
  },
  bob: {
    password_hash: '$argon2id$v=19$m=8,t=1,p=1$xujU6tBVITsZ6ysdWykO7A$PXcEndDY1z1xDAHUKW/gdZn2fkG2kkbPYOLItCaUdKM',
    groups: ['staff'],
  },
  carol: {
    password_hash: '$argon2id$v=19$m=8,t=1,p=1$7WLEzqSMauQWZ/pfNfCxog$2KVw6urOySYVkPOsHBZAL4Xoe9SGhr+BVmg96qfFV2s',
    groups: [],
  },
}

export const usersFlags = { auth_provider: 'users' }
export const usersEnv = { ELASTAUTH_USERS_INLINE: JSON.stringify(users) }

export type FormTestBed = Readonly<{
  /** Takes the place of Kibana: each page shows the username of the request's credential. */
  app: Upstream
  /** All requests to the app, in order. */
  appRequests: readonly IncomingMessage[]
  /** A gateway in proxy mode in front of the app. It runs until the last test of the file. */
  startProxy: (options?: GatewayOptions) => Promise<Gateway>
  startForwardAuth: (options?: GatewayOptions) => Promise<Gateway>
}>

/** An application, and gateways with users who have passwords; no Elasticsearch. */
export async function createFormTestBed(): Promise<FormTestBed> {
  const appRequests: IncomingMessage[] = []
  const app = await startUpstream((request, response) => {
    appRequests.push(request)
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'private, no-store' })
    response.end(`<!doctype html><html lang="en"><title>App</title><h1>Hello ${userOf(request.headers.authorization)}</h1>
<a href="/logout">Log out</a>`)
  })

  async function start({ flags, env }: GatewayOptions): Promise<Gateway> {
    const gateway = await startGateway({
      flags: { 'elasticsearch.dry_run': 'true', ...(flags && 'auth_providers' in flags ? {} : usersFlags), ...flags },
      env: {
        ...usersEnv,
        ELASTAUTH_GROUP_MAPPINGS: '{"admins": ["superuser"], "staff": ["viewer"]}', // carol has no role
        ...env,
      },
    })
    after(() => gateway.stop())
    return gateway
  }

  return Object.freeze({
    app,
    appRequests,
    startProxy: ({ flags, env = {} }: GatewayOptions = {}) =>
      start({ flags: { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': app.url, ...flags }, env }),
    startForwardAuth: (options: GatewayOptions = {}) => start(options),
  })
}

/** Opens the form. @returns the fields of the form, with its hidden `state` */
export async function openForm(agent: UserAgent, url: string, returnTo = '/app'): Promise<URLSearchParams> {
  const response = await agent.request(`${url}/elastauth/login?${new URLSearchParams({ return_to: returnTo })}`)
  return fieldsOf(await response.text())
}

export function fieldsOf(page: string): URLSearchParams {
  const [, state = ''] = /name="state" value="([^"]*)"/.exec(page) ?? []
  const [, username = ''] = /name="username" value="([^"]*)"/.exec(page) ?? []
  return new URLSearchParams({ state, username, password: '' })
}

/** Submits the form as a browser does. */
export function submitForm(
  agent: UserAgent,
  url: string,
  fields: URLSearchParams,
  headers: Record<string, string> = {},
): Promise<Response> {
  return agent.request(`${url}/elastauth/login`, {
    body: fields,
    headers: { 'sec-fetch-site': 'same-origin', ...headers },
  })
}

/** Opens and submits the form. */
export async function signInWithForm(
  url: string,
  username = 'alice',
  { password = passwords.alice, agent = createUserAgent(), returnTo = '/app' } = {},
): Promise<{ agent: UserAgent; response: Response }> {
  const fields = await openForm(agent, url, returnTo)
  fields.set('username', username)
  fields.set('password', password)
  return { agent, response: await submitForm(agent, url, fields) }
}
