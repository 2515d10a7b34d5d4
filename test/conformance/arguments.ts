import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Header } from '../support/raw-http.ts'
import { callers } from './callers/index.ts'
import { parseHeader } from './message.ts'
import type { Subject } from './suite.ts'

export const help = `Sends the sub-requests of reverse proxies to a forward-auth server, and checks its responses.

  npm run conformance -- --url http://127.0.0.1:5000/ --profile nginx

  --url URL          address that the proxy sends its sub-requests to (required)
  --profile NAME     ${[...callers.keys()].join(', ')}; may be repeated; all by default
  --identity HEADER  'Name: value' that identifies a user; may be repeated ('Remote-User: conformance')
  --other HEADER     the same for a second user ('Remote-User: conformance-other')
  --forbidden HEADER the same for a user without access; without it, that case is left out
  --credential NAME  response header that the proxy copies to the client's request; may be repeated (Authorization)
  --header HEADER    header that the proxy adds to every sub-request; the value may be @FILE, for a secret
  --own-path PATH    path of one of the server's own pages, such as /healthz; may be repeated
  --path-prefix PATH prefix that Envoy puts before the client's path (the path of --url, or /authorize)
  --timeout SECONDS  limit for each response (10)
  --help

Exit code: 0 if all responses are as expected, 1 if one is not, 2 if the suite could not run.

nginx accepts the statuses 200, 401 and 403 only: set elastauth's forward_auth.profile to nginx, and run --profile nginx.
For a server that identifies its users by cookie: --identity 'Cookie: session=…' --other 'Cookie: session=…'.
`

export type Arguments = Readonly<{ profiles: readonly string[]; subject: Subject }>

/** Parses the command line; undefined for --help. Throws an Error that says what is wrong. */
export function readArguments(args: readonly string[]): Arguments | undefined {
  const text = { type: 'string' } as const
  const texts = { type: 'string', multiple: true } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      url: text,
      profile: texts,
      identity: texts,
      other: texts,
      forbidden: texts,
      credential: texts,
      header: texts,
      'own-path': texts,
      'path-prefix': text,
      timeout: text,
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return undefined
  const { profile: profiles = [...callers.keys()], timeout = '10' } = values
  const unknown = profiles.find((name) => !callers.has(name))
  if (unknown !== undefined) throw new Error(`--profile ${unknown}: use one of ${[...callers.keys()].join(', ')}`)
  const url = parseUrl(values.url)
  const timeoutMs = Number(timeout) * 1000
  if (!(timeoutMs > 0 && timeoutMs <= 600_000)) throw new Error(`--timeout ${timeout}: write seconds, up to 600`)
  return {
    profiles,
    subject: {
      url,
      people: {
        user: (values.identity ?? ['Remote-User: conformance']).map(parseHeader),
        other: (values.other ?? ['Remote-User: conformance-other']).map(parseHeader),
        ...(values.forbidden && { forbidden: values.forbidden.map(parseHeader) }),
      },
      credential: values.credential ?? ['Authorization'],
      added: (values.header ?? []).map(parseHeader).map(fromFile),
      ownPaths: values['own-path'] ?? [],
      pathPrefix: values['path-prefix'] ?? (url.pathname.replace(/\/$/, '') || '/authorize'),
      timeoutMs,
    },
  }
}

function parseUrl(text: string | undefined): URL {
  if (text === undefined)
    throw new Error('--url is missing: set it to the address that the proxy sends its sub-requests to')
  const url = URL.parse(text)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new Error(`--url ${text}: write e.g. http://127.0.0.1:5000/`)
}

function fromFile([name, value]: Header): Header {
  if (!value.startsWith('@')) return [name, value]
  return [name, readFileSync(value.slice(1), 'utf8').trim()]
}
