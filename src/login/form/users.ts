import type { MaybePromise } from '../../async/maybe-promise.ts'
import type { RequestIdentity } from '../../auth/identity.ts'
import type { RequestContext } from '../../http/request-context.ts'

/** The users with passwords, as the sign-in form needs them. */
export type FormUsers = Readonly<{
  /**
   * The user as of the end of the check. Throws, or rejects with, GatewayError credential_invalid, too_many_attempts or overloaded. An unknown user takes the same
   * time as a wrong password.
   */
  verifyPassword: (username: string, password: string, context: RequestContext) => MaybePromise<FormUser>
  /** The user at this moment; undefined for one who does not exist or is disabled. The users are in memory. */
  find: (username: string) => FormUser | undefined
}>

/** @property identified the same object until anything about the user changes, the password included */
export type FormUser = Readonly<{ identified: RequestIdentity; passwordHash: string }>
