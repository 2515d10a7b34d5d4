import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { userOf } from '../upstream.ts'

/** The document that the stand-in for Discover shows. */
export const document = { index: 'journey', text: 'hello from the journey' }

const version = '9.5.3'

/**
 * The parts of Kibana that a journey uses, with the same names of elements and endpoints. The user is that of the request's credential.
 * Tests with it do not show that a journey works with the real Kibana, but that a journey detects faults.
 */
export function createKibana(): RequestListener {
  const dataViews = new Set<string>()
  const api: Readonly<Record<string, (call: Call) => readonly [number, unknown]>> = {
    'GET /internal/security/me': ({ user, headers }) =>
      headers['x-elastic-internal-origin'] === undefined || headers['kbn-version'] !== version
        ? [404, {}]
        : [200, { username: user }],
    'GET /api/data_views/data_view/elastauth-journey': () => [dataViews.has('elastauth-journey') ? 200 : 404, {}],
    'POST /api/data_views/data_view': ({ body }) => [200, dataViews.add(JSON.parse(body).data_view.id)],
    'POST /api/console/proxy': ({ user, query }) =>
      query.get('path') === '/_security/_authenticate' ? [200, { username: user }] : [404, {}],
  }
  return async (request, response) => {
    const { headers, method } = request
    const user = userOf(headers.authorization)
    const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://kibana')
    const body = await text(request)
    if (!user) send(response, 401, {})
    else if (pathname.startsWith('/app/')) sendPage(response, pathname.slice('/app/'.length))
    else if (method === 'POST' && headers['kbn-xsrf'] === undefined) send(response, 400, {})
    else send(response, ...(api[`${method} ${pathname}`]?.({ user, headers, query, body }) ?? [404, {}]))
  }
}

type Call = Readonly<{ user: string; headers: IncomingHttpHeaders; query: URLSearchParams; body: string }>

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const apps: Readonly<Record<string, string>> = {
  dev_tools: `<div data-test-subj="consoleMonacoEditor"><textarea></textarea></div><pre data-test-subj="consoleMonacoOutput"></pre>
<script>
addEventListener('keydown', async ({ key, ctrlKey, target }) => {
  if (key !== 'Enter' || !ctrlKey) return
  const [method, path] = target.value.split(' ')
  const query = new URLSearchParams({ method, path })
  const response = await fetch('/api/console/proxy?' + query, { method: 'POST', headers: { 'kbn-xsrf': 'kibana' } })
  document.querySelector('pre').textContent = await response.text()
})
</script>`,
  discover: `<span data-test-subj="discoverDocTable">${document.text}</span>`,
}

function sendPage(response: ServerResponse, app: string): void {
  response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'private, no-store' }).end(`<!doctype html>
<html lang="en"><title>Kibana</title>
<kbn-injected-metadata data="{&quot;version&quot;:&quot;${version}&quot;}"></kbn-injected-metadata>
<button data-test-subj="userMenuButton">Account menu</button>
<div data-test-subj="userMenu" hidden><p></p><a href="/logout" data-test-subj="logoutLink">Log out</a></div>
${apps[app] ?? ''}
<script>
document.querySelector('button').onclick = async () => {
  const response = await fetch('/internal/security/me', { headers: { 'x-elastic-internal-origin': 'Kibana', 'kbn-version': '${version}' } })
  document.querySelector('p').textContent = (await response.json()).username
  document.querySelector('div[hidden]').hidden = false
}
</script>`)
}
