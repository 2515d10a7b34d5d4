import type { IncomingMessage, ServerResponse } from 'node:http'

/** Handles a request in place of an endpoint, or passes it on, at once or later. */
export type Interceptor = (request: IncomingMessage, response: ServerResponse, pass: () => void) => unknown

/** Closes the connection without a response. */
export const dropConnection: Interceptor = (request) => void request.socket.destroy()

/** Never responds. */
export const hang: Interceptor = () => {}

export const respondJson =
  (status: number, document: unknown): Interceptor =>
  (_request, response) =>
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(document))

/** Responds with HTML in place of JSON, like a captive portal. */
export const respondHtml: Interceptor = (_request, response) =>
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Welcome</title>')

/** Responds with an error page, like a proxy or firewall in front of the provider. */
export const respondErrorPage =
  (status: number): Interceptor =>
  (_request, response) =>
    response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end('<!doctype html><h1>Blocked</h1>')

/** Responds with up to 64 MB of JSON, as long as the client reads. */
export const respondEndlessJson: Interceptor = (_request, response) => {
  const chunk = Buffer.alloc(64 * 1024, ' ')
  let remaining = 1024
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.write('{"keys":[')
  const pump = () => {
    while (remaining-- > 0 && !response.destroyed) if (!response.write(chunk)) return
    response.end()
  }
  response.on('drain', pump)
  pump()
}

/** Holds every request until `open` is called, which also lets all later requests pass. */
export function createGate() {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const { promise: firstArrival, resolve: noteArrival } = Promise.withResolvers<void>()
  const arrived: IncomingMessage[] = []
  const gate: Interceptor = (request, _response, pass) => {
    arrived.push(request)
    noteArrival()
    void opened.then(pass)
  }
  return Object.freeze({ gate, open, arrived, firstArrival })
}

/** Changes the endpoint's JSON response. */
export const rewriteJson =
  (change: (document: Record<string, unknown>) => Record<string, unknown>): Interceptor =>
  (_request, response, pass) => {
    const end = response.end.bind(response)
    response.end = ((body?: string | Buffer) => {
      const text = JSON.stringify(change(JSON.parse(String(body))))
      response.setHeader('Content-Length', Buffer.byteLength(text))
      return end(text)
    }) as typeof response.end
    pass()
  }
