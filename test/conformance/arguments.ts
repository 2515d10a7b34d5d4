import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { callers } from './callers/index.ts'
import { type Header, parseHeader } from './message.ts'
import type { Subject } from './suite.ts'

export const help = `Plays the sub-requests of reverse proxies to a forward-auth server, and checks its answers.

  npm run conformance -- --url http://127.0.0.1:5000/ --profile nginx

  --url URL          where the proxy is told to ask (required)
  --profile NAME     ${[...callers.keys()].join(', ')}; may be repeated, all where absent
  --identity HEADER  'Name: value' that says who asks; may be repeated ('Remote-User: conformance')
  --other HEADER     the same for a second user ('Remote-User: conformance-other')
  --forbidden HEADER the same for somebody who is known and not let in; without it that is not asked
  --credential NAME  header of a yes that is handed on; may be repeated (Authorization)
  --header HEADER    added to every sub-request, as by the proxy; the value may be @FILE, for a secret
  --own-path PATH    a path the server answers by itself, such as /healthz; may be repeated
  --path-prefix PATH what Envoy puts before the client's path (the path of --url, or /authorize)
  --timeout SECONDS  limit for one answer (10)
  --help

Exit code: 0 when all is well, 1 when an answer is wrong, 2 when nothing could be asked.

An nginx can only be answered 200, 401 and 403: tell elastauth so with forward_auth.profile, and run --profile nginx.
For a server that knows its users by cookie: --identity 'Cookie: session=…' --other 'Cookie: session=…'.
`

export type Arguments = Readonly<{ profiles: readonly string[]; subject: Subject }>

/** What was asked for; undefined for the help. Throws an Error that says what is wrong. */
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
  if (unknown !== undefined) throw new Error(`--profile ${unknown}: there are ${[...callers.keys()].join(', ')}`)
  const url = parseUrl(values.url)
  const patience = Number(timeout) * 1000
  if (!(patience > 0 && patience <= 600_000)) throw new Error(`--timeout ${timeout}: write seconds, up to 600`)
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
      patience,
    },
  }
}

function parseUrl(text: string | undefined): URL {
  if (text === undefined) throw new Error('--url is missing: where does the proxy ask?')
  const url = URL.parse(text)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new Error(`--url ${text}: write e.g. http://127.0.0.1:5000/`)
}

function fromFile([name, value]: Header): Header {
  if (!value.startsWith('@')) return [name, value]
  return [name, readFileSync(value.slice(1), 'utf8').trim()]
}
