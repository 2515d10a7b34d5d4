import type { ErrorCode } from '../../http/errors.ts'
import type { GatewayResponse } from '../../http/response.ts'
import { htmlResponse } from './page.ts'

export type ErrorPage = Readonly<{
  code: ErrorCode
  status: number
  message: string
  requestId: string
  /** Whether users can sign in and out at `/elastauth/login` and `/elastauth/logout`. */
  hasLogin: boolean
  /** The user, if known. Only the page of a denied user shows it, because people have several accounts. */
  username?: string | undefined
  /** Where users get help: a text, or an https or mailto link. */
  support?: string | undefined
}>

/**
 * The page for an error: what happened, what to do, and the request id for support.
 */
export function errorPage({
  code,
  status,
  message,
  requestId,
  hasLogin,
  username,
  support,
}: ErrorPage): GatewayResponse {
  const content = contentFor(code, status)
  const { heading, advice, links } = content
  const account = content === denied && username !== undefined ? [`You are signed in as ${username}.`] : []
  const isLink = support !== undefined && /^(?:https?:\/\/|mailto:)/i.test(support)
  const ownLinks = hasLogin ? links : links.filter(({ to }) => !to.startsWith('/elastauth/'))
  return htmlResponse({
    status,
    heading: heading ?? message,
    paragraphs: [
      ...(heading === undefined ? [] : [`${message}.`]),
      ...account,
      advice,
      ...(support === undefined || isLink ? [] : [support]),
    ],
    links: [...ownLinks, ...(isLink ? [{ to: support, text: 'Contact support' }] : [])],
    note: `Status ${status}. If you contact support, give them this request id: ${requestId}`,
  })
}

type Content = Readonly<{
  /** A heading instead of the error's message, which then becomes the first paragraph. */
  heading?: string
  advice: string
  links: readonly Readonly<{ to: string; text: string }>[]
}>

const retry = { to: '', text: 'Try again' }
const signIn = { to: '/elastauth/login', text: 'Sign in' }
const signInAgain = { ...signIn, text: 'Sign in again' }
const signOut = { to: '/elastauth/logout', text: 'Use another account' }
const signInFailed = 'Sign-in failed'

const denied: Content = {
  heading: 'Access denied',
  advice: 'Ask the administrator of this service for access.',
  links: [signOut],
}
const unauthenticated: Content = { advice: 'You need to sign in to view this page.', links: [signIn] }
const misconfigured: Content = {
  advice: 'The administrator of this service has to fix this. Give them the request id below.',
  links: [retry],
}
const unavailable: Content = { advice: 'This is usually temporary.', links: [retry] }
const other: Content = { advice: 'Go back or try again.', links: [] }

const contentByCode: Partial<Record<ErrorCode, Content>> = {
  login_failed: {
    heading: signInFailed,
    advice: 'It may have taken too long, or it was started in another browser. Try to sign in again.',
    links: [signInAgain],
  },
  login_denied: { heading: signInFailed, advice: 'If this was a mistake, sign in again.', links: [signInAgain] },
  login_insecure: {
    heading: signInFailed,
    advice: 'Open this service with an address that starts with https.',
    links: [],
  },
  cross_site: {
    advice: 'It was blocked for your security, and nothing was changed. If you wanted this, repeat it on this site.',
    links: [{ to: '/', text: 'Continue' }],
  },
  not_permitted: other,
  not_found: {
    advice: 'Check the address, or go to the start page of this service.',
    links: [{ to: '/', text: 'Go to the start page' }],
  },
  provider_rejected: { ...misconfigured, heading: signInFailed, links: [signInAgain] },
  elasticsearch_rejected: misconfigured,
  key_conflict: misconfigured,
  internal: misconfigured,
}

function contentFor(code: ErrorCode, status: number): Content {
  const content = contentByCode[code]
  if (content) return content
  if (status === 401) return unauthenticated
  if (status === 403) return denied
  return status >= 500 ? unavailable : other
}
