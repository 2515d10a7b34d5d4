import type { Services } from '../app/handlers.ts'
import { createLoginHandlers } from '../app/login-handlers.ts'
import type { LoginOptions } from '../app/options/login.ts'
import { readMethods } from '../http/handler.ts'
import type { BeginLogin } from '../login/begin.ts'
import { createBeginWithForm } from '../login/form/sign-in.ts'
import { createOriginOf } from '../login/origin.ts'
import { redirect } from '../login/redirect.ts'
import { sessionIdOf } from '../login/session-cookie.ts'
import { NotExplainable } from './explanation.ts'

/** Redirects to the sign-in as the server does, but without sessions and without asking the provider for its address. */
export function createExplainedLogin({ hasForm, provider, isProxy }: LoginOptions): NonNullable<Services['login']> {
  return {
    findSession(request) {
      if (sessionIdOf(request) === undefined) return undefined
      throw new NotExplainable(
        'the request has a session cookie, and only the server knows its sessions: use --user, or request /elastauth/whoami with the cookie',
      )
    },
    createHandlers({ ownOriginOf, subRequestStatus }) {
      const originOf = createOriginOf(ownOriginOf, provider !== undefined)
      const beginAtProvider: BeginLogin = async ({ context, isSubRequest }) => {
        originOf(context) // throws if the browser would not store the cookies
        return redirect(isSubRequest ? subRequestStatus : 302, 'the provider', ['a login in progress'])
      }
      const endpoint = { methods: [...readMethods, 'POST'], handle: rejectEndpoint }
      return createLoginHandlers({
        beginLogin: hasForm ? createBeginWithForm(originOf, subRequestStatus) : beginAtProvider,
        login: hasForm ? endpoint : { ...endpoint, methods: readMethods },
        callback: provider && rejectEndpoint,
        logout: rejectEndpoint,
        backchannel: provider && rejectEndpoint,
        revokeSession: async () => {},
        sessionEndpoints: () => new Map(),
        isProxy,
      })
    },
  }
}

async function rejectEndpoint(): Promise<never> {
  throw new NotExplainable('the request is for a page of the sign-in: explain a request that needs a user')
}
