import { type ClientRequest, request as httpRequest, type RequestOptions } from 'node:http'
import type { Listener } from '../../config/formats/listeners.ts'
import { withBrackets } from '../../config/hosts.ts'

const patience = 3000

/** `elastauth health`: asks the elastauth that listens there, on this machine. One listener that answers is enough. @returns the exit code */
export async function checkHealth(listeners: readonly Listener[]): Promise<0 | 1> {
  const failures: string[] = []
  for (const listener of listeners) {
    const place = describe(listener)
    try {
      const status = await ask(listener)
      console.log(`${place} answered ${status}`)
      return status === 200 ? 0 : 1
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') {
        console.log(`${place} asks for a client certificate, so it is up`)
        return 0
      }
      failures.push(`${place} does not answer: ${message}`)
    }
  }
  for (const failure of failures) console.error(failure)
  return 1
}

async function ask(listener: Listener): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const request = await open(listener)
  request.on('error', reject)
  request.on('response', (response) => {
    resolve(response.statusCode!)
    request.destroy()
  })
  const timer = setTimeout(() => request.destroy(new Error(`no answer within ${patience} ms`)), patience)
  request.once('close', () => clearTimeout(timer))
  request.end()
  return promise
}

async function open(listener: Listener): Promise<ClientRequest> {
  const target: RequestOptions =
    listener.kind === 'unix' ? { socketPath: listener.path } : { host: reachable(listener.host), port: listener.port }
  const options = { ...target, path: '/elastauth/health', agent: false, headers: { Host: 'localhost' } }
  if (!listener.isTls) return httpRequest(options)
  // The certificate is for the names that others know us by, not for this address; and nothing is told that somebody else must not hear.
  return (await import('node:https')).request({ ...options, rejectUnauthorized: false })
}

function describe(listener: Listener): string {
  const scheme = listener.isTls ? 'https' : 'http'
  if (listener.kind === 'unix') return `${scheme}://unix:${listener.path}`
  const host = reachable(listener.host)
  return `${scheme}://${withBrackets(host)}:${listener.port}/elastauth/health`
}

/** One can listen on all interfaces but not connect to them. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}
