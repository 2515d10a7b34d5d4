import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { after, describe, test } from 'node:test'
import { createOidcTestBed } from '../support/oidc/test-bed.ts'
import { createUserAgent } from '../support/oidc/user-agent.ts'
import { authority, tlsFlags } from '../support/tls-files.ts'

describe('the login over HTTP/2, on the TLS listener', async () => {
  let session: ClientHttp2Session | undefined
  after(() => session?.destroy())
  const { idp, app, startForwardAuth } = await createOidcTestBed()
  const proxy = { 'proxy.enabled': 'true', 'proxy.elasticsearch_url': app.url }
  const { url } = await startForwardAuth({ ...proxy, ...tlsFlags() })
  idp.register(url)
  session = connect(url, { ca: authority.cert })
  await once(session, 'connect')

  async function send(path: string, headers: Record<string, string | string[]> = {}, body?: string) {
    const navigation = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    const stream = session!.request({ ':path': path, ...navigation, ...headers }, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    const [head] = await once(stream, 'response')
    let text = ''
    for await (const chunk of stream) text += chunk
    return { head, status: head[':status'] as number, cookies: (head['set-cookie'] ?? []) as string[], text }
  }
  const nameAndValue = (setCookie: string) => setCookie.split(';')[0]!

  async function signIn(): Promise<string> {
    const redirect = await send('/app/x')
    assert.equal(redirect.status, 302)
    const location = new URL(redirect.head.location)
    assert.equal(location.searchParams.get('redirect_uri'), `${url}/elastauth/callback`)
    const { url: callback } = await createUserAgent().visit(location.href, 'alice', (to) => to.startsWith(url))
    const { pathname, search } = new URL(callback)
    // In HTTP/2, each cookie may have a field of its own (RFC 9113, section 8.2.3).
    const back = await send(pathname + search, { cookie: ['a=b', nameAndValue(redirect.cookies[0]!), 'c=d'] })
    assert.deepEqual([back.status, back.head.location, back.cookies.length], [303, '/app/x', 2])
    return nameAndValue(back.cookies[0]!)
  }

  test('a login over HTTP/2 creates a session if the cookies of the callback are in separate fields', async () => {
    const cookie = await signIn()
    assert.match(cookie, /^__Host-elastauth-session=[\w-]{43}$/)
    const page = await send('/app/x', { cookie: ['a=b', cookie] })
    assert.equal(page.status, 200)
    assert.match(page.text, /Hello alice/)
  })

  test('a back-channel logout over HTTP/2 ends the session, and a large body is rejected with 400', async () => {
    const cookie = await signIn()
    const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
    const token = await idp.sign({ sub: 'alice', jti: 'one', events }, { typ: 'logout+jwt' })
    const type = { 'content-type': 'application/x-www-form-urlencoded', ':method': 'POST' }
    const tooLarge = await send('/elastauth/backchannel-logout', type, `logout_token=${'x'.repeat(100_000)}`)
    assert.equal(tooLarge.status, 400)
    assert.equal((await send('/elastauth/backchannel-logout', type, `logout_token=${token}`)).status, 200)
    assert.equal((await send('/app', { cookie })).status, 302)
  })
})
