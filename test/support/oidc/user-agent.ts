import { request as send } from 'undici'

export type UserAgent = Readonly<{
  /** Sends one request with the cookies of its origin. Does not follow redirects. */
  request: (url: string, init?: Init) => Promise<Response>
  /** Follows redirects and submits the provider's sign-in form, until there is no further redirect or `until` accepts its target. */
  visit: (url: string, username?: string, until?: (location: string) => boolean) => Promise<Visit>
  /** The cookies of an origin, as a `Cookie` header. */
  cookies: (origin: string) => string
  setCookie: (origin: string, name: string, value: string) => void
}>

export type Init = Readonly<{
  method?: 'GET' | 'POST' | 'HEAD' | 'PUT'
  headers?: Record<string, string>
  body?: URLSearchParams
}>
export type Visit = Readonly<{ response: Response; url: string; body: string; trail: readonly string[] }>

/** The cookies and redirects of a browser: enough to sign in without Chromium. Each host and port has a cookie jar of its own. */
export function createUserAgent(headers: Readonly<Record<string, string>> = {}): UserAgent {
  const jars = new Map<string, Map<string, string>>()
  const navigation = {
    accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-site': 'none',
    ...headers,
  }

  function jarOf(url: string): Map<string, string> {
    const { origin } = new URL(url)
    const jar = jars.get(origin) ?? new Map<string, string>()
    jars.set(origin, jar)
    return jar
  }

  const cookies = (url: string) => [...jarOf(url)].map(([name, value]) => `${name}=${value}`).join('; ')

  // Not by fetch, which always sends `Sec-Fetch-Mode: cors`.
  async function request(url: string, { method = 'GET', body, ...init }: Init = {}): Promise<Response> {
    const form = body && { 'content-type': 'application/x-www-form-urlencoded' }
    const sent = { ...navigation, cookie: cookies(url), ...form, ...init.headers }
    const raw = await send(url, { method: body ? 'POST' : method, headers: sent, body: body?.toString() ?? null })
    const received = new Headers()
    for (const [name, value] of Object.entries(raw.headers)) {
      for (const line of [value ?? []].flat()) received.append(name, line)
    }
    for (const line of received.getSetCookie()) storeCookie(jarOf(url), line)
    const text = await raw.body.text()
    return new Response(text === '' ? null : text, { status: raw.statusCode, headers: received })
  }

  async function visit(start: string, username?: string, until: (location: string) => boolean = () => false) {
    const trail = [start]
    let url = start
    let init: Init = {}
    for (let hops = 0; hops < 20; hops++) {
      const response = await request(url, init)
      const body = await response.text()
      const location = response.headers.get('location')
      init = {}
      if (location !== null && response.status >= 300 && response.status < 400) {
        const next = new URL(location, url).href
        trail.push(next)
        if (until(next)) return { response, url: next, body, trail }
        url = next
      } else if (username !== undefined && body.includes('<h1>Sign in</h1>')) {
        init = { body: new URLSearchParams({ username }) }
      } else {
        return { response, url, body, trail }
      }
    }
    throw new Error(`more than 20 redirects:\n${trail.join('\n')}`)
  }

  return Object.freeze({
    request,
    visit,
    cookies,
    setCookie: (origin: string, name: string, value: string) => void jarOf(origin).set(name, value),
  })
}

function storeCookie(jar: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
  const name = pair.slice(0, pair.indexOf('='))
  const maxAge = attributes.find((attribute) => /^max-age=/i.test(attribute))
  const expires = attributes.find((attribute) => /^expires=/i.test(attribute))
  const isExpired = maxAge
    ? Number(maxAge.slice(8)) <= 0
    : expires !== undefined && Date.parse(expires.slice(8)) <= Date.now()
  if (isExpired) jar.delete(name)
  else jar.set(name, pair.slice(name.length + 1))
}
