import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { callers } from './callers/index.ts'
import { runSuite, type Subject } from './suite.ts'

export type Server = Readonly<{
  isSubRequest: (target: string, path: string, pathPrefix: string) => boolean
  whoIs: (request: IncomingMessage) => string | undefined
  answer: (response: ServerResponse, user: string | undefined, request: IncomingMessage) => void
}>

/** A forward-auth server of the smallest kind, for tests that break one thing of it. */
export const startReferenceServer: Server = {
  isSubRequest: (target, path, pathPrefix) =>
    target.split('?')[0] === path.split('?')[0] || target.startsWith(`${pathPrefix}/`),
  whoIs({ rawHeaders }) {
    const named = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === 'remote-user')
    return named.length === 1 && /^[\w-]+$/.test(named[0]!) ? named[0] : undefined
  },
  answer(response, user) {
    if (user === undefined) response.writeHead(401).end('no')
    else response.writeHead(200, { authorization: `Basic ${btoa(`${user}:x`)}` }).end('yes')
  },
}

type Asking = Partial<Pick<Subject, 'people' | 'patience'>> & Readonly<{ path?: string }>

/** What the suite finds wrong with a server that is sound but for this. */
export async function faultsOf(profile: string, broken: Partial<Server>, asking: Asking = {}): Promise<string[]> {
  const { path = '/', ...rest } = asking
  const { isSubRequest, whoIs, answer } = { ...startReferenceServer, ...broken }
  const pathPrefix = '/authorize'
  const server = createServer((request, response) => {
    if (isSubRequest(request.url!, path, pathPrefix)) answer(response, whoIs(request), request)
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
    patience: 20_000,
    ...rest,
  }
  const results = await runSuite(callers.get(profile)!, subject, () => {})
  server.closeAllConnections()
  server.close()
  return results.flatMap(({ name, fault }) => (fault === undefined ? [] : [`${name}: ${fault}`]))
}
