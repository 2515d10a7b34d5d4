import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { isPlainPort, mayBeTlsPort } from '../http/tls-mismatch.ts'
import { type Finding, failure, warning } from './check.ts'

export type ProbeOptions = Readonly<{
  headers?: Readonly<Record<string, string>>
  signal: AbortSignal
  /** Options of `tls.connect`, or `socketPath`. */
  connection?: RequestOptions & Readonly<{ ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean }>
}>

export type ProbeResponse = Readonly<{
  status: number
  headers: IncomingHttpHeaders
  /** At most 1 MiB. */
  body: string
  durationMs: number
  /** When the first certificate of the server's chain expires. */
  expiresAt: Date | undefined
  /** How much the server's clock is ahead, according to the header Date; 0 if the difference may be due to its precision of 1 s. */
  clockLeadMs: number
}>

const maxBodyBytes = 1024 * 1024

/** Sends `GET url` on a new connection. Rejects with Node's error. */
export async function probe(url: URL, { headers = {}, signal, connection = {} }: ProbeOptions): Promise<ProbeResponse> {
  const { request: open } = url.protocol === 'https:' ? await import('node:https') : await import('node:http')
  const sentAt = Date.now()
  const request = open(url, { ...connection, headers, signal, agent: false })
  try {
    const response = await responseTo(request)
    const receivedAt = Date.now()
    return {
      status: response.statusCode!,
      headers: response.headers,
      expiresAt: 'encrypted' in response.socket ? earliestExpiry(response.socket as TLSSocket) : undefined,
      durationMs: receivedAt - sentAt,
      clockLeadMs: clockLead(Date.parse(response.headers.date ?? ''), sentAt, receivedAt),
      body: await readBody(response),
    }
  } finally {
    request.on('error', () => {}).destroy()
  }
}

function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request.on('response', resolve).on('error', reject).end()
  return promise
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxBodyBytes) break
  }
  return Buffer.concat(chunks).subarray(0, maxBodyBytes).toString()
}

/** The header has whole seconds, so the server's clock was anywhere between `date` and one second later. */
export function clockLead(date: number, sentAt: number, receivedAt: number): number {
  if (date > receivedAt) return date - receivedAt
  return date + 1000 < sentAt ? date + 1000 - sentAt : 0 // also for NaN
}

function earliestExpiry(socket: TLSSocket): Date | undefined {
  const seen = new Set<string>()
  let earliest: Date | undefined
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (certificate?.fingerprint256 !== undefined && !seen.has(certificate.fingerprint256)) {
    const end = new Date(certificate.valid_to)
    if (earliest === undefined || end < earliest) earliest = end
    seen.add(certificate.fingerprint256)
    certificate = certificate.issuerCertificate
  }
  return earliest
}

/** The keys that configure a server. */
export type Keys = Readonly<{ url: string; ca: string }>

/** Why a server could not be reached: the name, the connection, or TLS. */
export function explainFailure(url: URL, error: unknown, { url: urlKey, ca }: Keys): Finding {
  const { code = '', message } = error as NodeJS.ErrnoException
  const problem = `${url.origin} does not respond: `
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return failure(
      `${problem}the name cannot be resolved (getaddrinfo ${code})`,
      `correct the name in ${urlKey}, or DNS where elastauth runs`,
    )
  if (url.protocol === 'https:' && isPlainPort(error))
    return failure(`${url.origin} does not speak TLS on this port`, `write http:// in ${urlKey}, or correct the port`)
  if (unknownIssuer.has(code))
    return failure(`${problem}its certificate has an unknown issuer (${code})`, `put its CA into ${ca}`)
  if (code === 'CERT_HAS_EXPIRED') return failure(`${problem}its certificate has expired`, 'renew it')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return failure(`${problem}its certificate is for another name`, `write a name of the certificate in ${urlKey}`)
  const text = message || code // an AggregateError for several addresses has no message
  if (url.protocol === 'http:' && mayBeTlsPort(error))
    return failure(problem + text, `if it expects TLS, write https:// in ${urlKey}`)
  return failure(problem + text, `start it, or correct ${urlKey}`)
}

const unknownIssuer: ReadonlySet<string> = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
])

const expiryWarningMs = 14 * 24 * 3_600_000

/** Warns about a certificate that expires soon. */
export function checkExpiry(origin: string, expiresAt: Date | undefined): Finding[] {
  if (expiresAt === undefined || expiresAt.getTime() - Date.now() > expiryWarningMs) return []
  const day = expiresAt.toISOString().slice(0, 10)
  return [warning(`a certificate of ${origin} expires on ${day}`, 'renew it')]
}

/** Warns about clocks that differ by more than `toleranceMs`. */
export function checkClock(origin: string, leadMs: number, toleranceMs: number): Finding[] {
  if (Math.abs(leadMs) <= toleranceMs) return []
  const direction = leadMs > 0 ? 'ahead of' : 'behind'
  return [
    warning(
      `the clock of ${origin} is ${Math.round(Math.abs(leadMs) / 1000)} s ${direction} this machine's`,
      'synchronize both clocks (NTP)',
    ),
  ]
}
