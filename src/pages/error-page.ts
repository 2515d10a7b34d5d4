import type { Answer } from '../answer.ts'
import type { ErrorCode } from '../errors.ts'
import { pageAnswer } from './page.ts'

export type ErrorPage = Readonly<{
  code: ErrorCode
  status: number
  message: string
  requestId: string
  /** Whether people sign in with us, so that there is a way in and out. */
  hasLogin: boolean
}>

/** What happened, what to do about it, and the number to ask with. Who it was is not said: the log knows. */
export function errorPage({ code, status, message, requestId, hasLogin }: ErrorPage): Answer {
  const kind = kindOf(code, status)
  return pageAnswer({
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
const signOut = { to: '/elastauth/logout', text: 'Use another account' }

const denied: Kind = {
  heading: 'Access denied',
  advice: 'Whoever looks after this service can give you access.',
  links: [signOut],
}
const missing: Kind = { advice: 'This page is for people who have signed in.', links: [signIn] }
const unavailable: Kind = { advice: 'This is often over in a moment.', links: [again] }
const failedLogin: Kind = {
  heading: 'Signing in did not work',
  advice:
    'It may have taken too long, or have been begun in another window. Nothing is broken by that: begin again from here.',
  links: [{ ...signIn, text: 'Sign in again' }],
}
const other: Kind = { advice: 'Going back, or trying again, may help.', links: [] }

function kindOf(code: ErrorCode, status: number): Kind {
  if (code.startsWith('login_')) return failedLogin
  if (code === 'not_found' || code === 'not_permitted') return other
  if (status === 401) return missing
  if (status === 403) return denied
  return status >= 500 ? unavailable : other
}
