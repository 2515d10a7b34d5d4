import type { Fault } from '../../config/faults.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { ListenerScope } from '../http/handler.ts'

/** An error of the server's `listen`: the system's error, what the listener serves, and its index among all listeners. */
export type ListenError = NodeJS.ErrnoException & Readonly<{ serves?: ListenerScope; index?: number }>

/** Says which configured address cannot be listened on, where it is configured, and what to do. */
export function listenFault(
  { code = '', message, serves, index = 0 }: ListenError,
  { config, locate }: Pick<LoadedConfig, 'config' | 'locate'>,
): Fault {
  const { key, addresses, entry } = findEntry(config, serves, index)
  const address = addresses[entry]
  const place = { ...locate(key, [entry]), key: addresses.length > 1 ? `${key}[${entry}]` : key }
  const other = `choose another address with --${key}`
  if (code === 'EADDRINUSE')
    return {
      ...place,
      problem: `is in use by another program (${address})`,
      fix: `stop the other program, or ${other}`,
    }
  const fix = (isUnixSocket(address) ? unixFixes : fixes)[code]
  return {
    ...place,
    problem: `cannot be listened on (${fix === undefined ? message : `${address}, ${code}`})`,
    fix: fix ?? other,
  }
}

/** The place of an address in the configuration. The listeners are in the order of these keys. */
function findEntry({ listen, forward_auth, metrics }: Config, serves: ListenerScope | undefined, index: number) {
  const subRequests = forward_auth.listen ?? []
  if (serves === 'sub-requests')
    return { key: 'forward_auth.listen', addresses: subRequests, entry: index - listen.length }
  if (serves !== 'metrics') return { key: 'listen', addresses: listen, entry: index }
  const entry = index - listen.length - subRequests.length
  return { key: 'metrics.listen', addresses: metrics.listen ?? [], entry }
}

const fixes: Readonly<Record<string, string>> = {
  EACCES: 'use a port above 1023, or grant CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'write an address of this machine, or 0.0.0.0 or [::] for all',
}

const unixFixes: Readonly<Record<string, string>> = {
  EACCES: 'let the user of this process write into the directory of the socket',
  ENOENT: 'create the directory of the socket',
}

function isUnixSocket(address = ''): boolean {
  return /^(?:https?:\/\/)?unix:/.test(address)
}
