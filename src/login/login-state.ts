import { createHmac, hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { readCookie } from '../http/cookies.ts'
import { GatewayError } from '../http/errors.ts'
import type { Seal } from '../sessions/seal.ts'
import { createNonce, deriveLoginKey } from './nonce.ts'

/** The values that identify a login in the authorization request and in its response. */
export type LoginState = Readonly<{
  state: string
  nonce: string
  /** The PKCE code verifier (RFC 7636). */
  verifier: string
  returnTo: string
}>

/** @property binding the value of the cookie that binds the login to the browser */
export type StartedLogin = LoginState & Readonly<{ cookie: string; binding: string }>

export type LoginStates = Readonly<{
  /**
   * @param cookies the `Cookie` header of the request
   * @param isRetry whether the login replaces another login whose cookie was overwritten
   */
  start: (cookies: string | undefined, returnTo: string, isRetry?: boolean) => StartedLogin
  /**
   * Reads a `state` without checking which browser began the login. Throws GatewayError login_failed.
   * `canRetry`: the login's cookie may have been overwritten by another login in the same browser, which happens when many tabs
   * begin at once. `isFromOtherReplica`: the login began at another process while this one was running.
   */
  read: (state: string | null, cookies?: string) => ReadState
  /**
   * Returns the login of a `state`, or undefined if another browser began the login (login CSRF). Throws GatewayError
   * login_failed, also if this process has already consumed the `state` (replay).
   */
  consume: (state: string, cookies: string | undefined) => LoginState | undefined
}>

type ReadState = Readonly<{ returnTo: string; cookie: string; canRetry: boolean; isFromOtherReplica: boolean }>

/** Maximum duration of a login. */
export const loginTtlMs = 3_600_000
/**
 * Maximum number of parallel logins per browser. Each needs a cookie of 50 bytes, and a further login overwrites one of the
 * cookies.
 */
const maxParallelLogins = 16
/** Maximum number of states remembered as used. Forgetting the oldest is safe, because the provider redeems each code only once. */
const maxUsedStates = 10_000

/** The sealed content of a `state`. The field names must not change, because replicas of other releases read the content. */
type Content = Readonly<{
  slot: number
  begun: number
  bound: string
  returnTo: string
  isSecond: boolean
  /** The process in which the login began. */
  by?: string
}>

/**
 * Login states need no storage in the process: the `state` contains everything about a login in sealed form, and a small cookie
 * binds the login to the browser (login CSRF). The nonce and the PKCE verifier are derived from the `state` and the cookie.
 * @param secret hex; the same on every replica
 */
export function createLoginStates(seal: Seal, secret: string, now: () => number): LoginStates {
  const key = deriveLoginKey(secret)
  const usedStates = new Set<string>()
  const by = randomBytes(6).toString('base64url')
  const startedAt = now()

  function open(state: string | null): Content {
    const text = state === null ? undefined : seal.open('', state)
    if (text === undefined) throw failed('the state is missing or invalid')
    const content = JSON.parse(text) as Content
    if (now() - content.begun > loginTtlMs) throw failed('the state has expired')
    return content
  }

  return Object.freeze({
    start(cookies: string | undefined, returnTo: string, isRetry = false) {
      const slot = freeSlot(cookies)
      const binding = randomBytes(16).toString('base64url')
      const content: Content = { slot, begun: now(), bound: digest(binding), returnTo, isSecond: isRetry, by }
      const state = seal.close('', JSON.stringify(content))
      return { ...deriveLogin(key, { state, binding, returnTo }), cookie: cookieOf(slot), binding }
    },
    read(state: string | null, cookies?: string) {
      const { slot, begun, returnTo, isSecond, by: origin = by } = open(state)
      const cookie = cookieOf(slot)
      const canRetry = !isSecond && readCookie(cookies, cookie) !== undefined
      return { returnTo, cookie, canRetry, isFromOtherReplica: origin !== by && begun > startedAt }
    },
    consume(state: string, cookies: string | undefined) {
      const { slot, bound, returnTo } = open(state)
      if (usedStates.has(bound)) throw failed('the state was used before')
      const binding = readCookie(cookies, cookieOf(slot)) ?? ''
      if (!timingSafeEqual(Buffer.from(digest(binding)), Buffer.from(bound))) return undefined
      usedStates.add(bound)
      if (usedStates.size > maxUsedStates) usedStates.delete(usedStates.values().next().value!) // the oldest
      return deriveLogin(key, { state, binding, returnTo })
    },
  })
}

function deriveLogin(
  key: Buffer,
  { state, binding, returnTo }: Readonly<{ state: string; binding: string; returnTo: string }>,
): LoginState {
  const derive = (purpose: string) =>
    createHmac('sha256', key).update(`${purpose}\0${binding}\0${state}`).digest('base64url')
  return { state, nonce: createNonce(key, derive('nonce')), verifier: derive('verifier'), returnTo }
}

function cookieOf(slot: number): string {
  return `__Host-elastauth-login-${slot}`
}

/** Picks a random free slot, because tabs that begin a login at the same time must not all choose the same slot. */
function freeSlot(cookies: string | undefined): number {
  const free = [...Array(maxParallelLogins).keys()].filter((slot) => readCookie(cookies, cookieOf(slot)) === undefined)
  return free[randomInt(free.length || maxParallelLogins)] ?? randomInt(maxParallelLogins)
}

function digest(binding: string): string {
  return hash('sha256', `binding\0${binding}`, 'base64url')
}

function failed(detail: string): GatewayError {
  return new GatewayError('login_failed', detail)
}
