import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepAlive } from '../keep-alive.ts'
import { findFreePort } from '../port.ts'
import {
  authenticate,
  builtInRoles,
  createUser,
  createUsers,
  type FakeUser,
  type Keys,
  type Users,
} from './accounts.ts'
import { parseObject, readText } from './body.ts'
import { isEndpoint, respondToEndpoint } from './endpoints.ts'
import { type Call, createFaults, createGate, type Faults } from './faults.ts'
import { checkMediaTypes, replyType } from './media-types.ts'
import { accept, type FakeResponse, Rejection, reject, rejectLogin } from './responses.ts'

export type Options = {
  /** Of the account `elastic`; `changeme` by default. */
  password?: string
  /** Further accounts, for instance one without roles: `{ lowly: { password: 'changeme' } }`. */
  accounts?: Record<string, Partial<FakeUser> & { password: string }>
  /** Further roles and their cluster privileges; an unknown role grants nothing. */
  roles?: Record<string, string[]>
}

export type FakeElasticsearch = {
  /** Listens on 127.0.0.1 and resolves to the address. Without a port it uses a free one. */
  listen(port?: number): Promise<string>
  /** Resets all connections, including hanging ones. It can listen again, with the same users. */
  close(): Promise<void>
  readonly users: Users
  /** API keys and tokens of service accounts; none at first. */
  readonly keys: Keys
  /** Every request in order of arrival, including those with a fault. */
  readonly calls: Call[]
  readonly faults: Faults
  /** `writes`: accepted PUT or POST of a user; `rejectedLogins`: 401s for a wrong credential, not those of a fault. */
  readonly counters: { requests: number; writes: number; rejectedLogins: number }
  /** Freezes PUT and POST of users until the returned function is called. */
  holdWrites(): () => void
  /** Resolves when that many writes are frozen at once. */
  whenHeld(count: number): Promise<void>
}

/**
 * An in-process server with the Elasticsearch endpoints that elastauth uses, which can fail on demand. It is not an
 * Elasticsearch: it has no roles API and no indices. Any other path responds with 200 and the username, for use as an upstream.
 * test/integration/elasticsearch-kit.test.ts runs the same tests against a real node.
 */
export function createFakeElasticsearch(options: Options = {}): FakeElasticsearch {
  const users = createUsers(options.password ?? 'changeme')
  for (const [name, account] of Object.entries(options.accounts ?? {})) users.set(name, createUser(account))
  const roles = new Map([...builtInRoles, ...Object.entries(options.roles ?? {})])
  const keys: Keys = new Map()
  const faults = createFaults()
  const gate = createGate()
  const calls: Call[] = []
  const counters = { requests: 0, writes: 0, rejectedLogins: 0 }
  const state = { users, keys, roles, forbidsPut: () => faults.forbidPut, rejectsHash: () => faults.rejectHash }

  const server = createServer(keepAlive, async (request, response) => {
    const call = describe(request)
    calls.push(call)
    counters.requests++
    const text = await readText(request).catch(() => undefined)
    if (text === undefined) return // the client has disconnected
    await delay(faults, call)
    const fault = faults.concerns(call) ? faults.response : 'normal'
    if (fault === 'hang') return
    if (fault === 'drop') return void request.socket.destroy()
    if (isUserWrite(call)) await gate.pass()
    const result = toResponse(() => failOnDemand(fault, call) ?? carryOut(call, request, text))
    if (fault === 'lose_response') return void request.socket.destroy()
    send(request, response, result)
  })

  function carryOut(call: Call, request: IncomingMessage, text: string): FakeResponse {
    const { method, path } = call
    const query = new URL(request.url ?? '', 'http://localhost').searchParams
    const caller = countRejections(() => authenticate(users, keys, request.headers.authorization, path))
    const readBody = () => (text === '' ? undefined : parseObject(text))
    if (!isEndpoint(path)) return accept({ user: caller.username, path: request.url, method })
    checkMediaTypes(request.headers, text !== '')
    const result = respondToEndpoint(state, { method, path, query, caller, readBody })
    if (isUserWrite(call)) counters.writes++
    return result
  }

  function countRejections<T>(login: () => T): T {
    try {
      return login()
    } catch (error) {
      counters.rejectedLogins++
      throw error
    }
  }

  return {
    async listen(requestedPort) {
      const port = requestedPort || (await findFreePort())
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      server.once('error', reject).listen(port, '127.0.0.1', resolve)
      await promise
      server.off('error', reject)
      return `http://127.0.0.1:${port}`
    },
    async close() {
      gate.open()
      if (!server.listening) return
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
    ...{ users, keys, calls, faults, counters },
    holdWrites: gate.hold,
    whenHeld: gate.whenWaiting,
  }
}

async function delay(faults: Faults, call: Call): Promise<void> {
  const delayMs = typeof faults.delay === 'number' ? faults.delay : faults.delay(call)
  if (delayMs > 0) await sleep(delayMs)
}

function describe({ method = 'GET', url = '/', headers }: IncomingMessage): Call {
  const [, encoded = ''] = /^basic (.*)$/i.exec(headers.authorization ?? '') ?? []
  const username = Buffer.from(encoded, 'base64').toString('utf8').split(':')[0] || undefined
  return { method, path: url.split('?')[0]!, username, at: Date.now() }
}

function isUserWrite({ method, path }: Call): boolean {
  return (method === 'PUT' || method === 'POST') && /^\/_security\/user\/(?!_has_privileges$)[^/]+$/.test(path)
}

function failOnDemand(fault: Faults['response'], { path, username = '' }: Call): undefined {
  if (fault === 'unauthorized')
    throw rejectLogin(`unable to authenticate user [${username}] for REST request [${path}]`)
  if (fault === 'unavailable')
    throw reject(503, 'unavailable_shards_exception', '[.security-7] primary shard is not active')
  if (fault === 'too_many_requests')
    throw reject(429, 'es_rejected_execution_exception', 'rejected execution: queue is full')
}

function toResponse(carryOut: () => FakeResponse): FakeResponse {
  try {
    return carryOut()
  } catch (error) {
    const rejection = error instanceof Rejection ? error : reject(500, 'stand_in_exception', String(error))
    return rejection.response
  }
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, headers }: FakeResponse): void {
  const payload = JSON.stringify(body)
  response.writeHead(status, {
    ...headers,
    'content-type': replyType(request.headers),
    'content-length': Buffer.byteLength(payload),
  })
  response.end(request.method === 'HEAD' ? undefined : payload)
}
