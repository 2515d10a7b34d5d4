import { hash } from 'node:crypto'
import { lookup as lookUp } from 'node:dns'
import { once } from 'node:events'
import type { LookupFunction } from 'node:net'
import { connect } from 'node:tls'
import { Agent, request } from 'undici'

export type Client = Readonly<{
  /** Follows no redirects. @returns the status */
  get: (path: string, headers: Readonly<Record<string, string>>) => Promise<number>
  close: () => Promise<void>
}>

/** A client that keeps no cookies, and trusts this CA instead of the system's. */
export function createClient(origin: string, ca: string | undefined): Client {
  const dispatcher = new Agent({ connect: { lookup, ...(ca !== undefined && { ca }) } })
  return Object.freeze({
    async get(path: string, headers: Readonly<Record<string, string>>) {
      const { statusCode, body } = await request(origin + path, {
        dispatcher,
        headers: { accept: 'text/html', ...headers },
      })
      await body.dump()
      return statusCode
    },
    close: () => dispatcher.close(),
  })
}

/** The SHA-256 of the public key of the origin's certificate. Rejects if the CA has not issued the certificate for this name. */
export async function trustedKeyOf(origin: string, ca: string): Promise<string> {
  const { hostname, port } = new URL(origin)
  const socket = connect({ host: hostname, port: Number(port || 443), servername: hostname, ca, lookup })
  await once(socket, 'secureConnect')
  const { publicKey } = socket.getPeerX509Certificate()!
  socket.destroy()
  return hash('sha256', publicKey.export({ type: 'spki', format: 'der' }), 'base64')
}

/** Names below localhost are this machine (RFC 6761, section 6.3). Browsers resolve them, but not every resolver does. */
const lookup: LookupFunction = (name, options, callback) => {
  const isLocal = name.endsWith('.localhost')
  lookUp(isLocal ? '127.0.0.1' : name, options, callback)
}
