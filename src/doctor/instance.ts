import type { Listener } from '../../config/formats/listeners.ts'
import { connectableHost, withBrackets } from '../../config/hosts.ts'
import { parseObject } from '../http/json-object.ts'
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
  if (response.status !== 200) return undefined
  const { status, version } = parseObject(response.body) ?? {}
  return status === 'ok' && typeof version === 'string' ? version : undefined
}
