import { isLoopbackHost } from '../hosts.ts'
import { parseAddress } from './addresses.ts'
import { type Format, hasControlCharacter, listOf, textFormat } from './format.ts'

/** An address to listen on. An empty host means all interfaces. */
export type ListenAddress = Readonly<{ kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }>

export type Listener = ListenAddress & Readonly<{ isTls: boolean }>

/**
 * The size of the kernel's `sun_path` without its null byte, minus the room for the temporary name under which the
 * socket is created.
 */
const maxSocketPathBytes = 107 - '.12345678'.length

const entry = textFormat({
  noun: 'an address to listen on',
  hint: 'write host:port, e.g. 127.0.0.1:5000, [::1]:5000 or :5000, or unix:/path/of.sock; optionally with http:// or https:// before it',
  jsonSchema: { pattern: '^(https?://)?(unix:/.*[^/]|(\\[[0-9A-Fa-f:.]+\\]|[^:\\[\\]/\\s]*):[0-9]{1,5})$' },
  isValid: (text) => parseListen(text) !== undefined,
})

const entries = listOf(entry, 'addresses', 'write e.g. ["127.0.0.1:5000", "unix:/run/elastauth.sock"]')

/** One address to listen on, or several. An empty host means all interfaces, port 0 any free port. */
export const listenList: Format<readonly string[]> = {
  ...entries,
  yamlType: 'text or array',
  noun: 'an address to listen on, or a list of them',
  hint: entry.hint,
  jsonSchema: { type: ['string', 'array'], pattern: entry.jsonSchema.pattern, items: entry.jsonSchema, minItems: 1 },
  check: (list) =>
    list.length === 0
      ? [{ problem: 'is empty', fix: entry.hint }]
      : entries.check!(list, {}).map((problem) => (list.length > 1 ? problem : { ...problem, path: [] })),
}

/** Parses valid entries of `listen`. An entry without a scheme uses TLS if a certificate is configured. */
export function parseListeners(listen: readonly string[], hasCertificate: boolean): Listener[] {
  return listen.map((text) => {
    const { scheme, ...address } = parseListen(text)!
    return { ...address, isTls: scheme === undefined ? hasCertificate : scheme === 'https' }
  })
}

/** An entry of `listen`, or `undefined` if it is malformed. */
function parseListen(text: string): (ListenAddress & { readonly scheme: string | undefined }) | undefined {
  const scheme = ['http', 'https'].find((one) => text.startsWith(`${one}://`))
  const rest = scheme === undefined ? text : text.slice(`${scheme}://`.length)
  if (rest.startsWith('unix:')) {
    const path = rest.slice('unix:'.length)
    return isSocketPath(path) ? { kind: 'unix', path, scheme } : undefined
  }
  const address = parseAddress(rest)
  return address && { kind: 'tcp', ...address, scheme }
}

function isSocketPath(path: string): boolean {
  const isFilePath = path.startsWith('/') && !path.endsWith('/') && !hasControlCharacter(path)
  return isFilePath && Buffer.byteLength(path) <= maxSocketPathBytes
}

/** Whether only this machine can reach the address. */
export function isLocalListener(text: string): boolean {
  const address = parseListen(text)
  return address?.kind === 'unix' || (address?.kind === 'tcp' && isLoopbackHost(address.host))
}

/**
 * The path of sub-requests, of segments without special characters, which all proxies interpret alike. A path below
 * `/elastauth` is rejected, because elastauth's own endpoints are there.
 */
export const subRequestPath = textFormat({
  noun: 'a path for sub-requests',
  hint: 'write e.g. /authorize: letters, digits, - and _ after each /, no / at the end, and not /elastauth',
  jsonSchema: { pattern: '^(?!/[eE][lL][aA][sS][tT][aA][uU][tT][hH])(/[A-Za-z0-9_-]{1,100}){1,10}$' },
  isValid: (text) => plainPath.test(text) && !text.toLowerCase().startsWith('/elastauth'),
})

const plainPath = /^(?:\/[A-Za-z0-9_-]{1,100}){1,10}$/

/**
 * A path, or with a `*` at its end all paths that begin with it. Without dot segments, duplicate slashes and other characters that
 * servers interpret differently.
 */
export const pathPattern = textFormat({
  noun: 'a path',
  hint: 'write e.g. /api/status, or /ui/* for all paths that begin with /ui/; other characters percent-encoded, and no query',
  isValid: (text) => pathPatternFormat.test(text) && !/\/\/|\/\.\.?(?:\/|$)/.test(text),
})

const pathPatternFormat = /^\/[\w.~!$&'()+,=:@%/-]*\*?$/

/** File permissions in the notation of `chmod`. */
export const fileMode = textFormat({
  noun: 'a file mode',
  hint: 'write three octal digits in quotes, e.g. "0660"',
  jsonSchema: { pattern: '^0?[0-7]{3}$' },
  isValid: (text) => /^0?[0-7]{3}$/.test(text),
})
