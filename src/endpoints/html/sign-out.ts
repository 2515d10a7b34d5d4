import type { GatewayResponse } from '../../http/response.ts'
import { htmlResponse } from './page.ts'

/**
 * The page after a logout. It does not redirect to `/`, because a provider without a logout of its own may keep its
 * session and sign the user in again without asking.
 */
export function signedOutPage(headers: readonly string[] = []): GatewayResponse {
  return htmlResponse({
    status: 200,
    heading: 'You are signed out',
    paragraphs: ['If you share this computer with others, also close the browser.'],
    links: [{ to: '/', text: 'Sign in again' }],
    headers,
  })
}

/**
 * Asks the user to confirm a logout that a link requested, because another site may contain such a link (CSRF).
 * @param endSession the provider's logout URL, to which the form's response redirects. Chromium applies `form-action`
 * to redirects too, and providers redirect to each other, so the page allows any https URL
 * @param hasProvider whether users sign in at a provider
 */
export function confirmSignOutPage(endSession: URL | undefined, hasProvider = true): GatewayResponse {
  return htmlResponse({
    status: 200,
    heading: 'Sign out?',
    paragraphs: [
      hasProvider
        ? 'You will be signed out of this service and, if possible, of the identity provider that you signed in with.'
        : 'You will be signed out of this service.',
    ],
    form: { action: '/elastauth/logout', button: 'Sign out' },
    links: [{ to: '/', text: 'Stay signed in' }],
    formAction: endSession ? `'self' https: ${endSession.origin}` : "'self'",
  })
}
