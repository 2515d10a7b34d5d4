import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'

export type Authelia = Readonly<{
  /** The domain of the cookie. The portal is `auth.DOMAIN`, at the port of the proxy. */
  domain: string
  /** By username. */
  passwords: Readonly<Record<string, string>>
  groups: string
  /** Whether a session outlives the sign-out: a fault that a journey has to detect. */
  keepsSessions?: boolean
}>

/**
 * Authelia's portal and its forward-auth endpoint, after Authelia's own pages and tests: scripts sign in with `/api/firstfactor`,
 * and `/logout` is a page that ends the session with `/api/logout`.
 */
export function createAuthelia({ domain, passwords, groups, keepsSessions = false }: Authelia): RequestListener {
  const sessions = new Map<string, string>()
  const attributes = `Domain=${domain}; Path=/; Secure; HttpOnly; SameSite=Lax`
  const endpoints: Readonly<Record<string, (call: Call) => unknown>> = {
    '/api/authz/forward-auth': ({ id, request, response }) => {
      const user = sessions.get(id)
      if (user !== undefined) response.writeHead(200, { 'Remote-User': user, 'Remote-Groups': groups })
      else response.writeHead(302, { Location: portalFor(domain, request) })
      response.end()
    },
    '/api/firstfactor': async ({ request, response }) => {
      const { username, password, targetURL } = JSON.parse(await text(request))
      if (passwords[username] !== password) return response.writeHead(401).end()
      const session = randomUUID()
      sessions.set(session, username)
      response.setHeader('Set-Cookie', `authelia_session=${session}; ${attributes}`)
      return response.end(JSON.stringify({ redirect: targetURL }))
    },
    '/api/logout': ({ id, response }) => {
      if (!keepsSessions) sessions.delete(id)
      response.setHeader('Set-Cookie', `authelia_session=; ${attributes}; Max-Age=0`).end()
    },
    '/logout': ({ response }) => response.setHeader('content-type', 'text/html').end(logoutPage),
    '/': ({ response }) => response.setHeader('content-type', 'text/html').end(portalPage),
  }
  return (request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://authelia')
    const id = /(?:^|; )authelia_session=([^;]*)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
    const endpoint = endpoints[pathname]
    if (endpoint === undefined) response.writeHead(404).end()
    else void endpoint({ id, request, response })
  }
}

type Call = Readonly<{ id: string; request: IncomingMessage; response: ServerResponse }>

function portalFor(domain: string, { headers }: IncomingMessage): string {
  const original = new URL(`https://${headers['x-forwarded-host']}${headers['x-forwarded-uri']}`)
  return `https://auth.${domain}:${original.port}/?rd=${encodeURIComponent(original.href)}`
}

const logoutPage = `<!doctype html><title>Sign out</title>
<script>fetch('/api/logout', { method: 'POST' }).then(() => location.replace('/'))</script>`

const portalPage = `<!doctype html><html lang="en"><title>Login</title>
<input id="username-textfield"><input id="password-textfield" type="password">
<button id="sign-in-button">Sign in</button><p class="notification" hidden>Incorrect username or password</p>
<script>
const valueOf = (id) => document.getElementById(id).value
document.querySelector('button').onclick = async () => {
  const targetURL = new URLSearchParams(location.search).get('rd')
  const body = JSON.stringify({ username: valueOf('username-textfield'), password: valueOf('password-textfield'), targetURL })
  const response = await fetch('/api/firstfactor', { method: 'POST', body })
  if (response.ok) location.assign((await response.json()).redirect)
  else document.querySelector('.notification').hidden = false
}
</script>`
