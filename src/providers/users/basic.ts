import { GatewayError } from '../../http/errors.ts'
import { singleValueOf } from '../../http/headers.ts'
import type { RequestContext } from '../../http/request-context.ts'
import { type BasicCredential, decodeBasic } from '../basic-credential.ts'
import type { Provider } from '../provider.ts'
import type { User, Users } from './users.ts'

export type BasicProviderOptions = Pick<Users, 'verifyPassword'> &
  Readonly<{
    /** Whether only trusted peers may use passwords, as in auth-only mode: the response contains a credential. */
    requiresTrustedPeer: boolean
    /** Identifies requests without a password, such as those with a session. */
    otherwise: Provider | undefined
  }>

// Created once and reused: many requests throw this error.
const missing = new GatewayError('identity_missing', 'missing authentication headers (no Authorization: Basic)')

/** Takes the identity from `Authorization: Basic` (RFC 7617). Browsers add it to every request, so it is ambient. */
export function createBasicProvider(options: BasicProviderOptions): Provider {
  const { verifyPassword, requiresTrustedPeer, otherwise } = options
  return function identify(context) {
    const authorization = singleValueOf(context.request.rawHeaders, 'authorization', duplicateHeader)
    if (authorization === undefined || !/^basic(?![\w-])/i.test(authorization)) {
      if (otherwise === undefined) throw missing
      return otherwise(context)
    }
    if (requiresTrustedPeer && !context.isTrusted) throw untrusted(context)
    const { username, password } = parse(authorization)
    const verified = verifyPassword(username, password, context)
    return verified instanceof Promise ? verified.then(identifiedOf) : verified.identified
  }
}

const identifiedOf = (user: User) => user.identified

/** A longer value is rejected: passwords have at most 1024 bytes, and usernames 255. */
const maxLength = 2048

function parse(authorization: string): BasicCredential {
  const [, base64] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization) ?? []
  if (base64 === undefined || authorization.length > maxLength) throw new GatewayError('credential_invalid', malformed)
  return decodeBasic(base64)
}

const malformed = `Authorization is not "Basic", spaces and Base64 of at most ${maxLength} characters in all`

function duplicateHeader(): GatewayError {
  return new GatewayError('identity_invalid', 'duplicate Authorization header')
}

function untrusted(context: RequestContext): GatewayError {
  const detail = `a password ${context.explainDistrust()} (in auth-only mode, passwords are accepted from the proxy only)`
  return new GatewayError('peer_untrusted', detail)
}
