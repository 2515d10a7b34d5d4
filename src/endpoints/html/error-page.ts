import type { ErrorCode } from '../../http/errors.ts'
import type { GatewayResponse } from '../../http/response.ts'
import { htmlResponse } from './page.ts'

export type ErrorPage = Readonly<{
  code: ErrorCode
  status: number
  message: string
  requestId: string
  /** Whether people sign in with us, so that there is a way in and out. */
  hasLogin: boolean
}>

/** What happened, what to do about it, and the number to ask with. Who it was is not said: the log knows. */
export function errorPage({ code, status, message, requestId, hasLogin }: ErrorPage): GatewayResponse {
  const kind = kindOf(code, status)
  return htmlResponse({
    status,
    heading: kind.heading ?? message,
    paragraphs: kind.heading === undefined ? [kind.advice] : [`${message}.`, kind.advice],
    links: hasLogin ? kind.links : kind.links.filter(({ to }) => !to.startsWith('/elastauth/')),
    note: `Status ${status}. If you ask somebody for help, give them this number: ${requestId}`,
  })
}

type Kind = Readonly<{
  /** In place of the message, which then is the reason below it. */
  heading?: string
  advice: string
  links: readonly Readonly<{ to: string; text: string }>[]
}>

const again = { to: '', text: 'Try again' }
const signIn = { to: '/elastauth/login', text: 'Sign in' }
const signInAgain = { ...signIn, text: 'Sign in again' }
const signOut = { to: '/elastauth/logout', text: 'Use another account' }
const noLogin = 'Signing in did not work'

const denied: Kind = {
  heading: 'Access denied',
  advice: 'Whoever looks after this service can give you access.',
  links: [signOut],
}
const missing: Kind = { advice: 'This page is for people who have signed in.', links: [signIn] }
const unavailable: Kind = { advice: 'This is often over in a moment.', links: [again] }
const other: Kind = { advice: 'Going back, or trying again, may help.', links: [] }

const special: Partial<Record<ErrorCode, Kind>> = {
  login_failed: {
    heading: noLogin,
    advice:
      'It may have taken too long, or have been begun in another browser. Nothing is broken by that: begin again.',
    links: [signInAgain],
  },
  login_denied: { heading: noLogin, advice: 'Begin again if that was a mistake.', links: [signInAgain] },
  login_insecure: { heading: noLogin, advice: 'Open this service by its address that begins with https.', links: [] },
  cross_site: {
    advice: 'Nothing was done. If you meant it, do it again from here.',
    links: [{ to: '/', text: 'Go on' }],
  },
  not_permitted: other,
}

function kindOf(code: ErrorCode, status: number): Kind {
  const kind = special[code]
  if (kind) return kind
  if (status === 401) return missing
  if (status === 403) return denied
  return status >= 500 ? unavailable : other
}
