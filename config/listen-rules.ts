import { type Broken, broken } from './checks.ts'
import { parseListeners } from './listeners.ts'
import type { Config } from './schema.ts'

/** Two entries for one place: the second would find it taken, by ourselves. */
export function checkListen({ listen }: Config): (Broken | false)[] {
  const places = listen.map((text) => text.replace(/^https?:\/\//, ''))
  return places.map((place, index) => {
    const first = places.indexOf(place)
    const isTwin = first < index && !place.endsWith(':0')
    return isTwin && broken(`listen[${index}]`, `is the same place as listen[${first}]`, 'remove one of them', 'listen')
  })
}

export function checkTls({ listen, tls, trusted_proxies }: Config): (Broken | false)[] {
  const isTls = parseListeners(listen, tls.cert !== null).map((listener) => listener.isTls)
  const first = isTls.indexOf(true)
  const asks = tls.client_auth !== 'none'
  return [
    first !== -1 &&
      tls.cert === null &&
      broken('tls.cert', `is required for listen[${first}], which is https`, 'set it, with tls.key', 'listen'),
    first === -1 &&
      tls.cert !== null &&
      broken('tls.cert', 'is set, but every listener is http://', 'remove it, or an http:// of listen', 'listen'),
    asks &&
      tls.cert === null &&
      broken('tls.client_auth', 'asks for certificates, but no listener has TLS', 'set tls.cert'),
    asks &&
      tls.client_ca === null &&
      broken('tls.client_ca', 'is required to verify client certificates', 'set it, or tls.client_auth: none'),
    !asks &&
      tls.client_ca !== null &&
      broken('tls.client_auth', 'is none, so tls.client_ca would have no effect', 'set it to request or require'),
    tls.client_names.length > 0 &&
      !trusted_proxies.includes('client_cert') &&
      broken(
        'tls.client_names',
        'is only for trusted_proxies: client_cert',
        'add client_cert there',
        'trusted_proxies',
      ),
    trusted_proxies.includes('client_cert') &&
      !asks &&
      broken(
        'trusted_proxies',
        'has client_cert, but nobody is asked for one',
        'set tls.client_auth to request or require',
      ),
  ]
}
