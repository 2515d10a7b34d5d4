import { parseListeners } from '../formats/listeners.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

/**
 * Rejects an address that is listed twice, because the second listener would find it in use. Port 0 is allowed
 * repeatedly, since it is a different port each time.
 */
export function checkListen(config: Config): (RuleViolation | false)[] {
  const entries = entriesOf(config)
  const addresses = entries.map(({ text }) => text.replace(/^https?:\/\//, ''))
  return entries.map((entry, index) => {
    const firstIndex = addresses.indexOf(addresses[index]!)
    const isDuplicate = firstIndex < index && !addresses[index]!.endsWith(':0')
    const problem = `is the same address as ${entries[firstIndex]!.name}`
    return isDuplicate && violation(entry.name, problem, 'remove one of them', entry.list)
  })
}

/** Rejects a listener for metrics that do not exist. */
export function checkMetricsListen({ enable_metrics, metrics }: Config): (RuleViolation | false)[] {
  const problem = 'is set, but enable_metrics is false'
  return [
    metrics.listen !== null &&
      !enable_metrics &&
      violation('metrics.listen', problem, 'set enable_metrics: true, or remove it', 'enable_metrics'),
  ]
}

export function checkTls(config: Config): (RuleViolation | false)[] {
  const { tls, trusted_proxies } = config
  const entries = entriesOf(config)
  const isTls = parseListeners(
    entries.map(({ text }) => text),
    tls.cert !== null,
  ).map((listener) => listener.isTls)
  const firstTlsEntry = entries[isTls.indexOf(true)]
  const requestsCertificates = tls.client_auth !== 'none'
  return [
    firstTlsEntry !== undefined &&
      tls.cert === null &&
      violation(
        'tls.cert',
        `is required for ${firstTlsEntry.name}, which is https`,
        'set it, with tls.key',
        firstTlsEntry.list,
      ),
    firstTlsEntry === undefined &&
      tls.cert !== null &&
      violation(
        'tls.cert',
        'is set, but every listener is http://',
        'remove it, or remove http:// from an entry of listen',
        'listen',
      ),
    requestsCertificates &&
      tls.cert === null &&
      violation('tls.client_auth', 'asks for certificates, but no listener uses TLS', 'set tls.cert'),
    requestsCertificates &&
      tls.client_ca === null &&
      violation('tls.client_ca', 'is required to verify client certificates', 'set it, or tls.client_auth: none'),
    !requestsCertificates &&
      tls.client_ca !== null &&
      violation('tls.client_auth', 'is none, so tls.client_ca would have no effect', 'set it to request or require'),
    tls.client_names.length > 0 &&
      !trusted_proxies.includes('client_cert') &&
      violation(
        'tls.client_names',
        'has no effect without client_cert in trusted_proxies',
        'add client_cert to trusted_proxies, or remove it',
        'trusted_proxies',
      ),
    trusted_proxies.includes('client_cert') &&
      !requestsCertificates &&
      violation(
        'trusted_proxies',
        'has client_cert, but clients are not asked for a certificate',
        'set tls.client_auth to request or require',
      ),
  ]
}

type Entry = Readonly<{ text: string; list: 'listen' | 'forward_auth.listen' | 'metrics.listen'; name: string }>

/** All addresses to listen on. */
function entriesOf({ listen, forward_auth, metrics }: Config): Entry[] {
  const entries = (list: Entry['list'], texts: readonly string[]) =>
    texts.map((text, index): Entry => ({ text, list, name: `${list}[${index}]` }))
  return [
    ...entries('listen', listen),
    ...entries('forward_auth.listen', forward_auth.listen ?? []),
    ...entries('metrics.listen', metrics.listen ?? []),
  ]
}
