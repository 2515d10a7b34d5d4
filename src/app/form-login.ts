import { signInPage } from '../endpoints/html/sign-in.ts'
import { readMethods } from '../http/handler.ts'
import type { BeginLogin } from '../login/begin.ts'
import { createNotices } from '../login/form/notice.ts'
import { createBeginWithForm, createSignInForm, type SignInFormOptions } from '../login/form/sign-in.ts'
import { createFindCurrent, createToIdentity, isFormSession } from '../login/form/user-session.ts'
import type { FormUsers } from '../login/form/users.ts'
import type { Logger } from '../observability/log.ts'
import { reportRejectedPassword } from '../observability/login-events.ts'
import type { Metrics } from '../observability/metrics/metrics.ts'
import { createSeal } from '../sessions/seal.ts'
import type { LoginEndpoint } from './login-handlers.ts'

type FormEndpointOptions = Omit<SignInFormOptions, 'users' | 'notices' | 'page' | 'onRejected' | 'now'> &
  Readonly<{ subRequestStatus: 302 | 401 }>

/** The sign-in with the form for username and password. */
export function createFormLogin(
  secretKeys: readonly [string, ...string[]],
  users: FormUsers,
  log: Logger,
  metrics: Metrics | undefined,
) {
  const notices = createNotices(createSeal(secretKeys, 'notice'))
  return Object.freeze({
    toIdentity: createToIdentity(users.find),
    isFormSession,
    findCurrent: createFindCurrent(users.find),
    createEndpoint({ subRequestStatus, ...options }: FormEndpointOptions): LoginEndpoint & { begin: BeginLogin } {
      const handle = createSignInForm({
        ...options,
        users,
        notices,
        page: signInPage,
        onRejected(username, context) {
          metrics?.login.signedIn('failure')
          reportRejectedPassword(log, username, context)
        },
        now: Date.now,
      })
      return {
        begin: createBeginWithForm(options.originOf, subRequestStatus),
        methods: [...readMethods, 'POST'],
        handle,
      }
    },
  })
}

export type FormLogin = ReturnType<typeof createFormLogin>
