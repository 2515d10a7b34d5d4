import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type Provider from 'oidc-provider'
import type { Accounts } from './accounts.ts'

/** The sign-in page: a username suffices. The button `deny` cancels the sign-in. */
export function createSignInForm(provider: Provider, accounts: Accounts) {
  return async function signInForm(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return show(response, '')
    const form = new URLSearchParams(await text(request))
    const username = form.get('username') ?? ''
    if (form.has('deny')) {
      const result = { error: 'access_denied', error_description: 'the user canceled the sign-in' }
      return provider.interactionFinished(request, response, result)
    }
    if (!accounts.has(username)) return show(response, 'Unknown username.')
    return provider.interactionFinished(request, response, { login: { accountId: username } })
  }
}

function show(response: ServerResponse, message: string): void {
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(`<!doctype html>
<html lang="en"><title>Sign in</title>
<h1>Sign in</h1>
<p>${message}</p>
<form method="post">
  <label>Username <input name="username" autofocus></label>
  <button name="go">Sign in</button>
  <button name="deny">Cancel</button>
</form>`)
}
