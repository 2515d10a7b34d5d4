import { createHmac, hash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { GatewayError } from '../http/errors.ts'
import type { Seal } from '../sessions/seal.ts'
import { readCookie } from './cookies.ts'
import { loginKey, markNonce } from './nonce.ts'

/** What the provider is sent with a login, and what it must come back with. */
export type LoginState = Readonly<{
  state: string
  nonce: string
  /** Of PKCE (RFC 7636). */
  verifier: string
  returnTo: string
}>

export type StartedLogin = LoginState & Readonly<{ cookie: string; binding: string }>

export type LoginStates = Readonly<{
  /**
   * @param cookies the request's header
   * @param isSecond whether it is in place of one that was overtaken
   */
  begin: (cookies: string | undefined, returnTo: string, isSecond?: boolean) => StartedLogin
  /**
   * What a `state` stands for, whoever sends it. Throws GatewayError login_failed.
   * `mayBeOvertaken`: another attempt has this one's place in the browser, as happens where many tabs begin at once.
   */
  read: (
    state: string | null,
    cookies?: string,
  ) => Readonly<{ returnTo: string; cookie: string; mayBeOvertaken: boolean }>
  /** The attempt, once in this process; undefined where another browser began it. Throws GatewayError login_failed. */
  resume: (state: string, cookies: string | undefined) => LoginState | undefined
}>

/** How long somebody may take to log in, in milliseconds. */
export const maxLoginMs = 3_600_000
/** A browser has so many attempts at once, each a cookie of 50 bytes; the next one takes another's place. */
const slots = 16
const maxSpent = 10_000

type Content = Readonly<{ slot: number; begun: number; bound: string; returnTo: string; isSecond: boolean }>

/**
 * Attempts to log in. All of one is in its `state`, sealed; a cookie binds it to the browser that began it. So many tabs
 * at once leave no more than a few small cookies, and nothing is kept here. Nonce and PKCE verifier follow from both.
 * @param secret hex; replicas share it
 */
export function createLoginStates(seal: Seal, secret: string, now: () => number): LoginStates {
  const key = loginKey(secret)
  const spent = new Set<string>()

  function attemptOf(state: string, binding: string, returnTo: string): LoginState {
    const derive = (purpose: string) =>
      createHmac('sha256', key).update(`${purpose}\0${binding}\0${state}`).digest('base64url')
    return { state, nonce: markNonce(key, derive('nonce')), verifier: derive('verifier'), returnTo }
  }

  function open(state: string | null): Content {
    const text = state === null ? undefined : seal.open('', state)
    if (text === undefined) throw failed('the state is missing, or none of ours')
    const content = JSON.parse(text) as Content
    if (now() - content.begun > maxLoginMs) throw failed('the state is too old')
    return content
  }

  return Object.freeze({
    begin(cookies: string | undefined, returnTo: string, isSecond = false) {
      const slot = freeSlot(cookies)
      const binding = randomBytes(16).toString('base64url')
      const content: Content = { slot, begun: now(), bound: digest(binding), returnTo, isSecond }
      return {
        ...attemptOf(seal.close('', JSON.stringify(content)), binding, returnTo),
        cookie: cookieOf(slot),
        binding,
      }
    },
    read(state: string | null, cookies?: string) {
      const { slot, returnTo, isSecond } = open(state)
      const cookie = cookieOf(slot)
      return { returnTo, cookie, mayBeOvertaken: !isSecond && readCookie(cookies, cookie) !== undefined }
    },
    resume(state: string, cookies: string | undefined) {
      const { slot, bound, returnTo } = open(state)
      if (spent.has(bound)) throw failed('the state was used already')
      const binding = readCookie(cookies, cookieOf(slot)) ?? ''
      if (!timingSafeEqual(Buffer.from(digest(binding)), Buffer.from(bound))) return undefined
      spent.add(bound)
      if (spent.size > maxSpent) spent.delete(spent.values().next().value!) // the oldest
      return attemptOf(state, binding, returnTo)
    },
  })
}

function cookieOf(slot: number): string {
  return `__Host-elastauth-login-${slot}`
}

/** Any that is free: tabs that begin at the same time know nothing of each other. */
function freeSlot(cookies: string | undefined): number {
  const free = [...Array(slots).keys()].filter((slot) => readCookie(cookies, cookieOf(slot)) === undefined)
  return free[randomInt(free.length || slots)] ?? randomInt(slots)
}

function digest(binding: string): string {
  return hash('sha256', `binding\0${binding}`, 'base64url')
}

function failed(detail: string): GatewayError {
  return new GatewayError('login_failed', detail)
}
