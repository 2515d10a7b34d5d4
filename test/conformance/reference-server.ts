import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { callers } from './callers/index.ts'
import { runSuite, type Subject } from './suite.ts'

export type Server = Readonly<{
  isSubRequest: (target: string, path: string, pathPrefix: string) => boolean
  identify: (request: IncomingMessage) => string | undefined
  respond: (response: ServerResponse, user: string | undefined, request: IncomingMessage) => void
}>

/** A minimal correct forward-auth server; each test replaces one part of it with a faulty one. */
export const referenceServer: Server = {
  isSubRequest: (target, path, pathPrefix) =>
    target.split('?')[0] === path.split('?')[0] || target.startsWith(`${pathPrefix}/`),
  identify({ rawHeaders }) {
    const values = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === 'remote-user')
    return values.length === 1 && /^[\w-]+$/.test(values[0]!) ? values[0] : undefined
  },
  respond(response, user) {
    if (user === undefined) response.writeHead(401).end('no')
    else response.writeHead(200, { authorization: `Basic ${btoa(`${user}:x`)}` }).end('yes')
  },
}

type Options = Partial<Pick<Subject, 'people' | 'timeoutMs'>> & Readonly<{ path?: string }>

/** The faults that the suite finds in the reference server with these parts replaced. */
export async function faultsOf(profile: string, replaced: Partial<Server>, options: Options = {}): Promise<string[]> {
  const { path = '/', ...rest } = options
  const { isSubRequest, identify, respond } = { ...referenceServer, ...replaced }
  const pathPrefix = '/authorize'
  const server = createServer((request, response) => {
    if (isSubRequest(request.url!, path, pathPrefix)) respond(response, identify(request), request)
    else response.writeHead(404).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const subject: Subject = {
    url: new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    people: { user: [['Remote-User', 'one']], other: [['Remote-User', 'two']] },
    credential: ['Authorization'],
    added: [],
    ownPaths: ['/healthz'],
    pathPrefix,
    timeoutMs: 20_000,
    ...rest,
  }
  const results = await runSuite(callers.get(profile)!, subject, () => {})
  server.closeAllConnections()
  server.close()
  return results.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]))
}
