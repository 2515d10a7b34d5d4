import {
  controlCharacter,
  emailPattern,
  isDotSegment,
  isReservedUsername,
  limits,
  usernamePattern,
} from '../../config/identity-limits.ts'
import { GatewayError } from '../http/errors.ts'
import type { OwnCredential } from '../http/response.ts'

/** The provider's description of a user. Frozen; a provider returns the same object for the same assertion. */
export type Identity = Readonly<{
  username: string
  groups: readonly string[]
  /** The provider sent no information about groups, which is not the same as an empty list. */
  groupsMissing?: true
  email?: string
  name?: string
  provider: string
  /**
   * When the user signed in, or when the token was issued, in milliseconds since 1970. Undefined if the request itself proves who
   * the user is, as with an identity header or a password: a revocation does not affect it.
   */
  authenticatedAt?: number
  /** Describes the client's own credential at Elasticsearch, without its secret. */
  credential?: OwnCredential
}>

/** An identity, and whether the request carries it as an ambient credential. */
export type RequestIdentity = Readonly<{
  identity: Identity
  /**
   * Whether a browser or a proxy adds the credential to every request, as with cookies, Basic authentication, client
   * certificates, addresses and tokens in `oidc.token_header`. Another site's page can use such ambient credentials (CSRF),
   * but not a token that a client itself puts into a header: a browser sends that header only for a script of an allowed
   * origin (CORS).
   */
  isAmbient: boolean
  /**
   * Set if the request's own `Authorization` is a credential that Elasticsearch has verified: the roles that Elasticsearch reports,
   * none for keys. The credential is then forwarded, nothing is written to Elasticsearch, and no group is needed.
   */
  ownRoles?: readonly string[]
}>

/**
 * Checks that Basic authentication can carry the username, and that Elasticsearch accepts the identity.
 * @param serviceAccount the username of elastauth's own service account. If the account were managed as a user, it would lose
 * its privileges and no user could sign in.
 * @throws GatewayError identity_invalid, user_reserved. The detail names the rule, never the value.
 */
export function checkIdentity(identity: Identity, serviceAccount?: string): void {
  const { username, groups, email, name } = identity
  checkUsername(username)
  if (username.toLowerCase() === serviceAccount?.toLowerCase())
    throw reserved(username, "elastauth's own service account")
  checkGroups(groups)
  if (email !== undefined) checkEmail(email)
  if (name !== undefined) checkName(name)
}

function checkUsername(username: string): void {
  if (username.length > limits.username) throw invalid(`the username is longer than ${limits.username} characters`)
  if (!usernamePattern.test(username)) throw invalid('the username may contain only letters, digits and . _ @ + -')
  if (isDotSegment(username)) throw invalid('the username is a dot segment')
  if (isReservedUsername(username)) throw reserved(username, 'Elasticsearch')
}

function checkGroups(groups: readonly string[]): void {
  if (groups.length > limits.groups) throw invalid(`more than ${limits.groups} groups`)
  for (const group of groups) {
    if (group.length > limits.group) throw invalid(`a group is longer than ${limits.group} characters`)
    if (controlCharacter.test(group)) throw invalid('a group contains a control character')
  }
}

function checkEmail(email: string): void {
  if (email.length > limits.email) throw invalid(`the email address is longer than ${limits.email} characters`)
  if (controlCharacter.test(email) || !emailPattern.test(email)) throw invalid('the email address is malformed')
}

function checkName(name: string): void {
  if (name.length > limits.name) throw invalid(`the name is longer than ${limits.name} characters`)
  if (controlCharacter.test(name)) throw invalid('the name contains a control character')
}

function reserved(username: string, owner: string): GatewayError {
  return new GatewayError('user_reserved', `the username is reserved for ${owner}`, { username })
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}
