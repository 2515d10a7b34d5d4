import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RequestContext } from '../../src/http/request-context.ts'
import { createResponse, type GatewayResponse, type StreamedResponse } from '../../src/http/response.ts'
import { createRenderError } from '../../src/server/error-response.ts'
import { createServer, type GatewayServer } from '../../src/server/server.ts'
import { openRaw, parseResponse, type RawConnection } from '../support/raw-http.ts'
import { trustingReader } from '../support/request-context.ts'
import { eventually } from '../support/wait.ts'

/** One connection to a server of its own, whose pending responses a test finishes. */
type TestBed = Readonly<{
  server: GatewayServer
  connection: RawConnection
  /** Resolves when the client can read nothing more. */
  ended: Promise<unknown>
  /** Sends this, and resolves when the server has processed it. */
  send: (bytes: string) => Promise<void>
  /** Ends the client's side of the connection, and resolves when the server has noticed. */
  end: () => Promise<void>
  /** Finishes the pending responses and those to later requests. */
  finishResponses: () => void
}>

const body = (name: string) => `${name} response;`
const get = (path: string, ...headers: string[]) =>
  [`GET /${path} HTTP/1.1`, 'Host: es', ...headers, '', ''].join('\r\n')
const partOfPost = (path: string) =>
  `POST /${path} HTTP/1.1\r\nHost: es\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`
/** A request after which elastauth closes the connection. */
const lastRequest = get('first', 'Connection: Upgrade', 'Upgrade: unknown')
const restOfHead = 'Host: es\r\n\r\n'
const restOfBody = '0\r\n\r\n'

type State = Readonly<{
  enter: (bed: TestBed) => Promise<unknown>
  /** The rest of a request that has partly arrived. */
  rest?: string
  /** Whether the rest is that of a body. */
  isInBody?: boolean
}>

/** How a connection gets into each state of the table. */
const states: Readonly<Record<string, State>> = {
  new: { enter: ({ server }) => eventually(server.countConnections, (count) => count === 1) },
  idle: { enter: readImmediateResponse },
  'part of a head': {
    enter: async (bed) => {
      await readImmediateResponse(bed)
      await bed.send('GET /next HTTP/1.1\r\n')
    },
    rest: restOfHead,
  },
  'response pending': { enter: ({ send }) => send(get('first')) },
  'response begun': {
    enter: ({ send, connection }) => Promise.all([send(get('streamed-first')), connection.until(/first res$/)]),
  },
  'two responses pending': { enter: ({ send }) => send(get('first') + get('second')) },
  'last response pending': { enter: ({ send }) => send(lastRequest) },
  'last response pending, by `Connection: close`': { enter: ({ send }) => send(get('first', 'Connection: close')) },
  ended: {
    enter: async ({ send, finishResponses, connection, ended }) => {
      await send(lastRequest)
      await send(get('dropped'))
      finishResponses()
      await Promise.all([connection.readResponse(), ended])
    },
  },
  'part of a body, response pending': {
    enter: ({ send }) => send(partOfPost('first')),
    rest: restOfBody,
    isInBody: true,
  },
  'part of a body, response begun': {
    enter: ({ send, connection }) => Promise.all([send(partOfPost('streamed-first')), connection.until(/first res$/)]),
    rest: restOfBody,
    isInBody: true,
  },
  'part of a body, two responses pending': {
    enter: ({ send }) => send(get('first') + partOfPost('second')),
    rest: restOfBody,
    isInBody: true,
  },
  'part of a body, all responses sent': {
    enter: ({ send, connection }) => Promise.all([send(partOfPost('now')), connection.readResponse()]),
    rest: restOfBody,
    isInBody: true,
  },
}

/** What happens in each column of the table. */
const events: Readonly<Record<string, (bed: TestBed, state: State) => unknown>> = {
  request: ({ send }, { rest }) => send(rest ?? get('next')),
  upgrade: ({ send }, { rest, isInBody }) => {
    const upgrade = get('next', 'Connection: Upgrade', 'Upgrade: websocket')
    return send(rest === undefined || isInBody ? (rest ?? '') + upgrade : upgrade.slice(upgrade.indexOf('\n') + 1))
  },
  CONNECT: ({ send }, { rest = '' }) => send(`${rest}CONNECT es:443 HTTP/1.1\r\nHost: es\r\n\r\n`),
  'invalid data': ({ send }) => send('zz\r\n'),
  'client ends': ({ end }) => end(),
  shutdown: async ({ server }) => void server.close(600_000),
}

async function readImmediateResponse({ send, connection }: TestBed): Promise<void> {
  await send(get('now'))
  await connection.readResponse()
}

type Row = Readonly<{ state: string; event: string; expected: string }>
const rows = readTable(readFileSync(join(import.meta.dirname, '../../ARCHITECTURE.md'), 'utf8'))

function readTable(text: string): Row[] {
  const [header = [], , ...lines] = (/^\| State \|.*\|\n(?:\|.*\|\n)+/m.exec(text)?.[0] ?? '')
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
  return lines.flatMap(([state = '', ...cells]) =>
    cells.map((expected, i) => ({ state, event: header[i + 1]!, expected })),
  )
}

test('the table of connection states in ARCHITECTURE.md has exactly the states and events that the tests know', () => {
  assert.deepEqual([...new Set(rows.map(({ state }) => state))], Object.keys(states))
  assert.deepEqual([...new Set(rows.map(({ event }) => event))], Object.keys(events))
})

const servers: GatewayServer[] = []
after(() => Promise.all(servers.map((server) => server.close(0))))

for (const waitsForPreviousResponses of [true, false]) {
  const mode = waitsForPreviousResponses ? 'proxy mode' : 'auth-only mode'
  describe(`the table of connection states holds in ${mode}`, () => {
    for (const { state, event, expected } of rows) {
      test(`in ${mode}, "${event}" in the state "${state}" leads to "${expected}"`, async () => {
        const bed = await createTestBed(waitsForPreviousResponses)
        await states[state]!.enter(bed)
        await events[event]!(bed, states[state]!)
        const needsRest = event === 'shutdown' && states[state]!.rest !== undefined
        if (needsRest) await bed.send(states[state]!.rest!)
        bed.finishResponses()
        assert.equal(await observe(bed, expected), expected)
        bed.connection.socket.destroy()
      })
    }
  })
}

/** What the client reads, in the notation of the table. Waits for what is expected, then shows what it got. */
async function observe({ connection, ended, send }: TestBed, expected: string): Promise<string> {
  const outcomes = expected.split(', ')
  const end = outcomes.at(-1)!
  if (end === 'closed') {
    await ended
    return [...describeReceived(connection.received()), 'closed'].join(', ')
  }
  while (describeReceived(connection.received()).length < outcomes.length - 1 && !connection.socket.readableEnded)
    await Promise.race([once(connection.socket, 'data'), ended])
  if (end === 'tunnel') return [...describeReceived(connection.received()), 'tunnel'].join(', ')
  await send(get('probe'))
  await Promise.race([connection.until(/probe response;$/), ended])
  const received = describeReceived(connection.received())
  return [...received.slice(0, -1), received.at(-1) === 'probe' ? 'open' : `${received.at(-1)}, closed`].join(', ')
}

/** The names of complete responses, the statuses of errors, and `part of` a response that was cut off. */
function describeReceived(text: string): string[] {
  if (text === '') return []
  const parsed = parseResponse(text)
  if (parsed === undefined) return [`part of ${/(\w+) res$/.exec(text)?.[1]}`]
  const { response, length } = parsed
  const name = response.status === 200 ? response.body.replace(' response;', '') : String(response.status)
  return [name, ...describeReceived(text.slice(length))]
}

async function createTestBed(waitsForPreviousResponses: boolean): Promise<TestBed> {
  const { promise: finished, resolve: finishResponses } = Promise.withResolvers<void>()
  let serverSocket: Socket | undefined

  async function handle({ request: { url, socket } }: RequestContext): Promise<GatewayResponse | StreamedResponse> {
    serverSocket = socket
    const name = url!.slice(1).replace('streamed-', '')
    if (url!.includes('streamed')) return { stream: (response) => stream(response, name) }
    if (name !== 'now') await finished
    return createResponse(200, 'text/plain', body(name))
  }

  async function stream(response: ServerResponse, name: string): Promise<void> {
    response.writeHead(200, ['Content-Length', String(body(name).length)])
    response.write(body(name).slice(0, -'ponse;'.length))
    await finished
    response.end('ponse;')
  }

  async function upgrade(): Promise<StreamedResponse> {
    return {
      username: 'bob',
      async stream(response) {
        response.statusCode = 101
        response.socket!.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        await once(response, 'close')
      },
    }
  }

  const server = await createServer({
    listeners: [{ kind: 'tcp', host: '127.0.0.1', port: 0, isTls: false }],
    handlers: () => ({
      reader: trustingReader,
      handle,
      upgrade,
      endpoints: new Map(),
      waitsForPreviousResponses,
      renderError: createRenderError('generic'),
    }),
    isUpgrade: ({ headers }) => headers.upgrade === 'websocket',
    logRequest: () => {},
    logFault: () => {},
  })
  servers.push(server)
  const connection = openRaw((await server.listen())[0]!, { allowHalfOpen: true })
  const ended = Promise.race([connection.closed, once(connection.socket, 'end')])
  let sent = 0
  return Object.freeze({
    server,
    connection,
    ended,
    finishResponses,
    async send(bytes: string) {
      connection.send(bytes)
      sent += bytes.length
      // Until the first request has been handled, the server's socket is unknown.
      const isProcessed = () => (serverSocket ? serverSocket.bytesRead >= sent : connection.received() !== '')
      while (!isProcessed() && !connection.socket.readableEnded) await nextTurn()
      await nextTurn()
    },
    async end() {
      connection.socket.end()
      while (serverSocket && !serverSocket.readableEnded && !serverSocket.destroyed) await nextTurn()
    },
  })
}
