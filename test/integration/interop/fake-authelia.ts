import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { keepAlive } from '../../support/keep-alive.ts'
import { type Address, listen } from './listen.ts'

export type Person = Readonly<{ username: string; groups?: string; email?: string; name?: string }>

/** The addresses that the tests' clients connect from. */
const clientAddresses: ReadonlySet<unknown> = new Set(['127.0.0.1', '127.0.0.2'])

/** People by the value of their `session` cookie. */
export type Sessions = Readonly<Record<string, Person>>

/**
 * Authelia as proxies see it: its two forward-auth endpoints. Without a session, it responds with 401; to a browser, where the
 * proxy returns the response to the client, with a redirect to the login; to nginx, with 401 and the address of the login.
 */
export function startFakeAuthelia(sessions: Sessions, cleanup: AsyncDisposableStack): Promise<Address> {
  return listen(
    createServer({ maxHeaderSize: 64 * 1024, ...keepAlive }, (request, response) =>
      respond(request, response, sessions),
    ),
    cleanup,
  )
}

function respond({ url, headers }: IncomingMessage, response: ServerResponse, sessions: Sessions): void {
  const isForwardAuth = url?.split('?')[0] === '/api/authz/forward-auth'
  const original = isForwardAuth
    ? `${headers['x-forwarded-proto']}://${headers['x-forwarded-host']}${headers['x-forwarded-uri']}`
    : headers['x-original-url']
  const method = headers[isForwardAuth ? 'x-forwarded-method' : 'x-original-method']
  if (typeof original !== 'string' || method === undefined || !clientAddresses.has(headers['x-forwarded-for'])) {
    response.writeHead(400).end('the original request is missing')
    return
  }
  const session = /(?:^|; )session=([^;]*)/.exec(headers.cookie ?? '')?.[1] ?? ''
  const person = Object.hasOwn(sessions, session) ? sessions[session] : undefined
  if (person !== undefined) {
    allow(response, person)
    return
  }
  response.setHeader('Location', `https://auth.example.com/?rd=${encodeURIComponent(original)}`)
  const isBrowser = headers.accept?.includes('text/html') === true
  response.writeHead(isForwardAuth && isBrowser ? 302 : 401).end('401 Unauthorized')
}

function allow(response: ServerResponse, { username, groups, email, name }: Person): void {
  response.setHeader('Remote-User', username)
  if (groups !== undefined) response.setHeader('Remote-Groups', groups)
  if (email !== undefined) response.setHeader('Remote-Email', email)
  // Node writes headers as Latin-1; Authelia sends UTF-8.
  if (name !== undefined) response.setHeader('Remote-Name', Buffer.from(name).toString('latin1'))
  response.writeHead(200).end()
}
