import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Address, listen } from './listen.ts'

export type Person = Readonly<{ username: string; groups?: string; email?: string; name?: string }>

/** By the value of the cookie `session`. */
export type Sessions = Readonly<Record<string, Person>>

/**
 * What proxies see of Authelia: its two forward-auth addresses, and the sessions of some people. Somebody without one is
 * told 401; a browser, where the proxy passes that on, is sent to log in; nginx gets the place to send it to with the 401.
 */
export function startAuthelia(sessions: Sessions, until: AsyncDisposableStack): Promise<Address> {
  return listen(
    createServer({ maxHeaderSize: 64 * 1024 }, (request, response) => answer(request, response, sessions)),
    until,
  )
}

function answer({ url, headers }: IncomingMessage, response: ServerResponse, sessions: Sessions): void {
  const isPassedOn = url?.split('?')[0] === '/api/authz/forward-auth'
  const wanted = isPassedOn
    ? `${headers['x-forwarded-proto']}://${headers['x-forwarded-host']}${headers['x-forwarded-uri']}`
    : headers['x-original-url']
  const method = headers[isPassedOn ? 'x-forwarded-method' : 'x-original-method']
  if (typeof wanted !== 'string' || method === undefined || headers['x-forwarded-for'] !== '127.0.0.1') {
    response.writeHead(400).end('What is it about?')
    return
  }
  const session = /(?:^|; )session=([^;]*)/.exec(headers.cookie ?? '')?.[1] ?? ''
  const person = Object.hasOwn(sessions, session) ? sessions[session] : undefined
  if (person !== undefined) {
    response.setHeader('Remote-User', person.username)
    if (person.groups !== undefined) response.setHeader('Remote-Groups', person.groups)
    if (person.email !== undefined) response.setHeader('Remote-Email', person.email)
    // Node writes latin-1; Authelia sends UTF-8.
    if (person.name !== undefined) response.setHeader('Remote-Name', Buffer.from(person.name).toString('latin1'))
    response.writeHead(200).end()
    return
  }
  response.setHeader('Location', `https://auth.example.com/?rd=${encodeURIComponent(wanted)}`)
  const isBrowser = headers.accept?.includes('text/html') === true
  response.writeHead(isPassedOn && isBrowser ? 302 : 401).end('401 Unauthorized')
}
