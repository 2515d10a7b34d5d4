import { parseListeners } from '../formats/listeners.ts'
import type { Config } from '../schema.ts'
import { type RuleViolation, violation } from './violation.ts'

type Entry = Readonly<{ text: string; list: 'listen' | 'forward_auth.listen'; name: string }>

/** All addresses to listen on, for pages or sub-requests. */
function entriesOf({ listen, forward_auth }: Config): Entry[] {
  const entries = (list: Entry['list'], texts: readonly string[]) =>
    texts.map((text, index): Entry => ({ text, list, name: `${list}[${index}]` }))
  return [...entries('listen', listen), ...entries('forward_auth.listen', forward_auth.listen ?? [])]
}

/** Two entries for one place: the second would find it taken, by ourselves. */
export function checkListen(config: Config): (RuleViolation | false)[] {
  const entries = entriesOf(config)
  const places = entries.map(({ text }) => text.replace(/^https?:\/\//, ''))
  return entries.map((entry, at) => {
    const first = places.indexOf(places[at]!)
    const isTwin = first < at && !places[at]!.endsWith(':0')
    const problem = `is the same place as ${entries[first]!.name}`
    return isTwin && violation(entry.name, problem, 'remove one of them', entry.list)
  })
}

export function checkTls(config: Config): (RuleViolation | false)[] {
  const { tls, trusted_proxies } = config
  const entries = entriesOf(config)
  const isTls = parseListeners(
    entries.map(({ text }) => text),
    tls.cert !== null,
  ).map((listener) => listener.isTls)
  const first = isTls.indexOf(true)
  const asks = tls.client_auth !== 'none'
  return [
    first !== -1 &&
      tls.cert === null &&
      violation(
        'tls.cert',
        `is required for ${entries[first]!.name}, which is https`,
        'set it, with tls.key',
        entries[first]!.list,
      ),
    first === -1 &&
      tls.cert !== null &&
      violation('tls.cert', 'is set, but every listener is http://', 'remove it, or an http:// of listen', 'listen'),
    asks &&
      tls.cert === null &&
      violation('tls.client_auth', 'asks for certificates, but no listener has TLS', 'set tls.cert'),
    asks &&
      tls.client_ca === null &&
      violation('tls.client_ca', 'is required to verify client certificates', 'set it, or tls.client_auth: none'),
    !asks &&
      tls.client_ca !== null &&
      violation('tls.client_auth', 'is none, so tls.client_ca would have no effect', 'set it to request or require'),
    tls.client_names.length > 0 &&
      !trusted_proxies.includes('client_cert') &&
      violation(
        'tls.client_names',
        'is only for trusted_proxies: client_cert',
        'add client_cert there',
        'trusted_proxies',
      ),
    trusted_proxies.includes('client_cert') &&
      !asks &&
      violation(
        'trusted_proxies',
        'has client_cert, but nobody is asked for one',
        'set tls.client_auth to request or require',
      ),
  ]
}
