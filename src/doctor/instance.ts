import type { Listener } from '../../config/formats/listeners.ts'
import { connectableHost, withBrackets } from '../../config/hosts.ts'
import { type ProbeResponse, probe } from './probe.ts'

/**
 * Sends a request for an endpoint to the elastauth that listens on this machine. The certificate is not verified: it is for elastauth's public names,
 * and the request contains no secrets.
 */
export function probeEndpoint(listener: Listener, name: string, signal: AbortSignal): Promise<ProbeResponse> {
  const scheme = listener.isTls ? 'https' : 'http'
  const authority =
    listener.kind === 'unix' ? 'localhost' : `${withBrackets(connectableHost(listener.host))}:${listener.port}`
  return probe(new URL(`${scheme}://${authority}/elastauth/${name}`), {
    signal,
    headers: { Host: 'localhost' },
    connection: { rejectUnauthorized: false, ...(listener.kind === 'unix' && { socketPath: listener.path }) },
  })
}

/** Of the elastauth that has sent a response to `health`; undefined if another program has sent it. */
export function versionOf(response: ProbeResponse): string | undefined {
  try {
    const document: unknown = response.status === 200 ? JSON.parse(response.body) : undefined
    return isMap(document) && document.status === 'ok' && typeof document.version === 'string'
      ? document.version
      : undefined
  } catch {
    return undefined
  }
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
