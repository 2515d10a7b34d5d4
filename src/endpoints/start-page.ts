import type { Handler } from '../http/handler.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'
import { htmlResponse } from './html/page.ts'

/** The endpoint `start`: a page for people who open elastauth itself. @param hasLogin whether users sign in at elastauth */
export function createStartPage(hasLogin: boolean): Handler {
  const response = htmlResponse({
    status: 200,
    heading: 'elastauth',
    paragraphs: ['This gateway signs you in to the service behind it.'],
    links: [
      { to: '/', text: 'Open the service' },
      { to: hasLogin ? '/elastauth/account' : '/elastauth/whoami', text: 'Show my account' },
      ...(hasLogin ? [{ to: '/elastauth/logout', text: 'Sign out' }] : []),
    ],
  })
  return () => response
}

/**
 * The endpoint `/elastauth/`: redirects to the start page. A 200 would grant access to everybody if `/elastauth/` were
 * configured as the address for sub-requests, and the proxy did not describe the original request.
 */
export function redirectToStart(): GatewayResponse {
  const response = createResponse(303, 'text/plain; charset=utf-8', '')
  response.headers.push('Location', '/elastauth/start')
  return response
}
