import { type ClientRequest, request as httpRequest, type RequestOptions } from 'node:http'
import type { Listener } from '../../config/formats/listeners.ts'
import { connectableHost, withBrackets } from '../../config/hosts.ts'

const timeoutMs = 3000

/**
 * The command `elastauth health`: sends a health request to the elastauth on this machine. It succeeds if any listener
 * responds.
 * @returns the exit code
 */
export async function checkHealth(listeners: readonly Listener[]): Promise<0 | 1> {
  const failures: string[] = []
  for (const listener of listeners) {
    const address = describe(listener)
    try {
      const status = await requestHealth(listener)
      console.log(`${address} responded with ${status}`)
      return status === 200 ? 0 : 1
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED') {
        console.log(`${address} asks for a client certificate, so it is running`)
        return 0
      }
      failures.push(`${address} does not respond: ${message}`)
    }
  }
  for (const failure of failures) console.error(failure)
  return 1
}

async function requestHealth(listener: Listener): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const request = await openRequest(listener)
  request.on('error', reject)
  request.on('response', (response) => {
    resolve(response.statusCode!)
    request.destroy()
  })
  const timer = setTimeout(() => request.destroy(new Error(`no response within ${timeoutMs} ms`)), timeoutMs)
  request.once('close', () => clearTimeout(timer))
  request.end()
  return promise
}

async function openRequest(listener: Listener): Promise<ClientRequest> {
  const target: RequestOptions =
    listener.kind === 'unix'
      ? { socketPath: listener.path }
      : { host: connectableHost(listener.host), port: listener.port }
  const options = { ...target, path: '/elastauth/health', agent: false, headers: { Host: 'localhost' } }
  if (!listener.isTls) return httpRequest(options)
  // The certificate is not verified: it is issued for elastauth's public names, not for this address, and the request
  // contains no secrets.
  return (await import('node:https')).request({ ...options, rejectUnauthorized: false })
}

function describe(listener: Listener): string {
  const scheme = listener.isTls ? 'https' : 'http'
  if (listener.kind === 'unix') return `${scheme}://unix:${listener.path}`
  const host = connectableHost(listener.host)
  return `${scheme}://${withBrackets(host)}:${listener.port}/elastauth/health`
}
