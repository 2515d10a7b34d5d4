import { readCookie } from '../../http/cookies.ts'
import type { Seal } from '../../sessions/seal.ts'
import { clearCookie, setCookie } from '../cookies.ts'

/** Why the form is shown again. */
export type Notice = Readonly<{ reason: 'rejected' | 'expired'; username: string }>

export type Notices = Readonly<{
  /** A `Set-Cookie` value that passes the notice to the next page. */
  create: (notice: Notice) => string
  read: (cookies: string | undefined) => Notice | undefined
}>

const noticeCookie = '__Host-elastauth-notice'
const ttlSeconds = 60
/** Bounds the cookie. A username in the configuration is not longer. */
const maxNameLength = 255

/**
 * Passes a notice from the response to the form to the page that the browser is redirected to: in a cookie, so that
 * reloading the page does not repeat the notice. It is sealed, because people type passwords into the wrong field.
 */
export function createNotices(seal: Seal): Notices {
  return Object.freeze({
    create: ({ reason, username }: Notice) => {
      const text = JSON.stringify({ reason, username: username.slice(0, maxNameLength) })
      return setCookie(noticeCookie, seal.close('', text), ttlSeconds)
    },
    read(cookies: string | undefined) {
      const text = seal.open('', readCookie(cookies, noticeCookie) ?? '')
      return text === undefined ? undefined : (JSON.parse(text) as Notice)
    },
  })
}

export const clearNotice = clearCookie(noticeCookie)
