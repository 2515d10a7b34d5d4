import type { IncomingMessage, ServerResponse } from 'node:http'

/** Stands in front of an endpoint: answers itself, or lets the request pass, now or later. */
export type Interposed = (request: IncomingMessage, response: ServerResponse, pass: () => void) => unknown

/** The connection is cut. */
export const cut: Interposed = (request) => void request.socket.destroy()

/** Nothing comes, until the caller gives up or the provider is stopped. */
export const hang: Interposed = () => {}

export const answerJson =
  (status: number, document: unknown): Interposed =>
  (_request, response) =>
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(document))

/** A page where JSON belongs, as a captive portal or a load balancer's error has it. */
export const answerHtml: Interposed = (_request, response) =>
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>Welcome</title>')

/** The error page of a proxy or firewall between us and the provider. */
export const answerPage =
  (status: number): Interposed =>
  (_request, response) =>
    response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8' }).end('<!doctype html><h1>Blocked</h1>')

/** JSON that does not end, for as long as somebody reads; 64 MB at the most. */
export const answerHuge: Interposed = (_request, response) => {
  const piece = Buffer.alloc(64 * 1024, ' ')
  let left = 1024
  response.writeHead(200, { 'Content-Type': 'application/json' })
  response.write('{"keys":[')
  const pump = () => {
    while (left-- > 0 && !response.destroyed) if (!response.write(piece)) return
    response.end()
  }
  response.on('drain', pump)
  pump()
}

/** Holds every request until it is opened; then, and for all later ones, lets them pass. */
export function createGate() {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>()
  const arrived: IncomingMessage[] = []
  const gate: Interposed = (request, _response, pass) => {
    arrived.push(request)
    void opened.then(pass)
  }
  return Object.freeze({ gate, open, arrived })
}

/** The endpoint's own JSON answer, changed on its way out. */
export const changeJson =
  (change: (document: Record<string, unknown>) => Record<string, unknown>): Interposed =>
  (_request, response, pass) => {
    const end = response.end.bind(response)
    response.end = ((body?: string | Buffer) => {
      const text = JSON.stringify(change(JSON.parse(String(body))))
      response.setHeader('Content-Length', Buffer.byteLength(text))
      return end(text)
    }) as typeof response.end
    pass()
  }
