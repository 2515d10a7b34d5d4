import type { GatewayResponse } from '../../http/response.ts'
import { htmlResponse } from './page.ts'

/** After a logout. The provider may still know the person: where it has no logout of its own, it signs them in again unasked. */
export function signedOutPage(headers: readonly string[] = []): GatewayResponse {
  return htmlResponse({
    status: 200,
    heading: 'You are signed out',
    paragraphs: ['If others use this computer too, close the browser as well.'],
    links: [{ to: '/', text: 'Sign in again' }],
    headers,
  })
}

/**
 * Asks before a logout that came by a link, since any other site may link to it. `endSession` is where the form's answer
 * leads: Chromium holds redirects to `form-action` too, and providers redirect on to each other.
 */
export function confirmSignOutPage(endSession: URL | undefined): GatewayResponse {
  return htmlResponse({
    status: 200,
    heading: 'Sign out?',
    paragraphs: ['You will be signed out of this service, and where possible of the service that you signed in with.'],
    form: { action: '/elastauth/logout', button: 'Sign out' },
    links: [{ to: '/', text: 'Stay signed in' }],
    formAction: endSession ? `'self' https: ${endSession.origin}` : "'self'",
  })
}
