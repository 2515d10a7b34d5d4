import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { findFreePort } from '../port.ts'
import { authenticate, builtInRoles, createUser, createUsers, type FakeUser, type Users } from './accounts.ts'
import { parseObject, readText } from './body.ts'
import { answerEndpoint, isEndpoint } from './endpoints.ts'
import { type Call, createFaults, createGate, type Faults } from './faults.ts'
import { checkMediaTypes, replyType } from './media-types.ts'
import { accept, type FakeResponse, Rejection, reject, rejectLogin } from './responses.ts'

export type Options = {
  /** Of the account `elastic`; `changeme` by default. */
  password?: string
  /** Further accounts, for instance one without roles: `{ lowly: { password: 'changeme' } }`. */
  accounts?: Record<string, Partial<FakeUser> & { password: string }>
  /** Further roles and their cluster privileges; a role that is not known grants nothing. */
  roles?: Record<string, string[]>
}

export type FakeElasticsearch = {
  /** Listens on 127.0.0.1 and resolves to the address; without a port on a free one, which it keeps for listening again. */
  listen(port?: number): Promise<string>
  /** Cuts all connections, hanging ones too. It may listen again, with the same users. */
  close(): Promise<void>
  readonly users: Users
  /** Every request, in order of arrival, those that a fault met too. */
  readonly calls: Call[]
  readonly faults: Faults
  /** `writes`: accepted PUT or POST of a user; `refusedLogins`: 401s for a wrong credential, not those of a fault. */
  readonly counters: { requests: number; writes: number; refusedLogins: number }
  /** Freezes PUT and POST of users until the returned function is called. */
  holdWrites(): () => void
  /** Resolves when that many writes are frozen at once. */
  whenHeld(count: number): Promise<void>
}

/**
 * An in-process server that answers the Elasticsearch endpoints elastauth uses, and can fail on demand. Not an
 * Elasticsearch: no roles API, no indices; any other path answers 200 and says who asked, for use as an upstream.
 * test/integration/elasticsearch-kit.test.ts holds it to a real node.
 */
export function createFakeElasticsearch(options: Options = {}): FakeElasticsearch {
  const users = createUsers(options.password ?? 'changeme')
  for (const [name, account] of Object.entries(options.accounts ?? {})) users.set(name, createUser(account))
  const roles = new Map([...builtInRoles, ...Object.entries(options.roles ?? {})])
  const faults = createFaults()
  const gate = createGate()
  const calls: Call[] = []
  const counters = { requests: 0, writes: 0, refusedLogins: 0 }
  const state = { users, roles, forbidsPut: () => faults.forbidPut, rejectsHash: () => faults.rejectHash }

  const server = createServer(async (request, response) => {
    const call = describe(request)
    calls.push(call)
    counters.requests++
    const text = await readText(request).catch(() => undefined)
    if (text === undefined) return // the client went away
    const delay = typeof faults.delay === 'number' ? faults.delay : faults.delay(call)
    if (delay > 0) await new Promise((wake) => setTimeout(wake, delay))

    const fault = faults.concerns(call) ? faults.answer : 'normal'
    if (fault === 'hang') return
    if (fault === 'drop') return void request.socket.destroy()
    if (isUserWrite(call)) await gate.pass()
    const answer = settle(() => failOnDemand(fault, call) ?? carryOut(call, request, text))
    if (fault === 'lose_answer') return void request.socket.destroy()
    send(request, response, answer)
  })

  function carryOut(call: Call, request: IncomingMessage, text: string): FakeResponse {
    const { method, path } = call
    const caller = settleLogin(() => authenticate(users, request.headers.authorization, path))
    const readBody = () => (text === '' ? undefined : parseObject(text))
    if (!isEndpoint(path)) return accept({ user: caller.username, path: request.url, method })
    checkMediaTypes(request.headers, text !== '')
    const answer = answerEndpoint(state, { method, path, caller, readBody })
    if (isUserWrite(call)) counters.writes++
    return answer
  }

  function settleLogin<T>(login: () => T): T {
    try {
      return login()
    } catch (error) {
      counters.refusedLogins++
      throw error
    }
  }

  return {
    async listen(wanted) {
      const port = wanted || (await findFreePort())
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
    ...{ users, calls, faults, counters },
    holdWrites: gate.hold,
    whenHeld: gate.whenWaiting,
  }
}

function describe({ method = 'GET', url = '/', headers }: IncomingMessage): Call {
  const [, encoded = ''] = /^basic (.*)$/i.exec(headers.authorization ?? '') ?? []
  const username = Buffer.from(encoded, 'base64').toString('utf8').split(':')[0] || undefined
  return { method, path: url.split('?')[0]!, username, at: Date.now() }
}

function isUserWrite({ method, path }: Call): boolean {
  return (method === 'PUT' || method === 'POST') && /^\/_security\/user\/(?!_has_privileges$)[^/]+$/.test(path)
}

function failOnDemand(fault: Faults['answer'], { path, username = '' }: Call): undefined {
  if (fault === 'unauthorized')
    throw rejectLogin(`unable to authenticate user [${username}] for REST request [${path}]`)
  if (fault === 'unavailable')
    throw reject(503, 'unavailable_shards_exception', '[.security-7] primary shard is not active')
  if (fault === 'too_many_requests')
    throw reject(429, 'es_rejected_execution_exception', 'rejected execution: queue is full')
}

function settle(carryOut: () => FakeResponse): FakeResponse {
  try {
    return carryOut()
  } catch (error) {
    const refusal = error instanceof Rejection ? error : reject(500, 'stand_in_exception', String(error))
    return refusal.answer
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
