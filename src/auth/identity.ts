import {
  controlCharacter,
  emailPattern,
  isBuiltIn,
  isDotSegment,
  limits,
  usernamePattern,
} from '../../config/identity-limits.ts'
import { GatewayError } from '../http/errors.ts'

/** Who the provider says the user is. Frozen; a provider returns the same object for the same assertion. */
export type Identity = Readonly<{
  username: string
  groups: readonly string[]
  /** The provider sent no information about groups, which is not the same as an empty list. */
  groupsMissing?: true
  email?: string
  name?: string
  provider: string
}>

/** An identity, and how the request carries it. */
export type RequestIdentity = Readonly<{
  identity: Identity
  /**
   * Whether a browser or a proxy adds it to every request, as with cookies, Basic authentication, client certificates or an
   * address: then another site's page can use it (CSRF). A token that a client puts into a header itself is not ambient.
   */
  isAmbient: boolean
}>

/**
 * Holds an identity to the rules of both sides: what Basic authentication can carry and what Elasticsearch accepts.
 * @param serviceAccount our own name in Elasticsearch: as a user of ours it would lose its rights, and lock out everybody
 * @throws GatewayError identity_invalid, user_reserved. The detail names the rule, never the offending value.
 */
export function checkIdentity(identity: Identity, serviceAccount?: string): void {
  checkUsername(identity.username)
  if (identity.username.toLowerCase() === serviceAccount?.toLowerCase())
    throw reserved(identity, 'our service account’s')
  if (identity.groups.length > limits.groups) throw invalid(`more than ${limits.groups} groups`)
  for (const group of identity.groups) {
    if (group.length > limits.group) throw invalid(`a group is longer than ${limits.group} characters`)
    if (controlCharacter.test(group)) throw invalid('a group holds a control character')
  }
  if (identity.email !== undefined) {
    if (identity.email.length > limits.email) throw invalid(`the e-mail is longer than ${limits.email} characters`)
    if (controlCharacter.test(identity.email) || !emailPattern.test(identity.email))
      throw invalid('the e-mail is malformed')
  }
  if (identity.name !== undefined) {
    if (identity.name.length > limits.name) throw invalid(`the name is longer than ${limits.name} characters`)
    if (controlCharacter.test(identity.name)) throw invalid('the name holds a control character')
  }
}

function checkUsername(username: string): void {
  if (username.length > limits.username) throw invalid(`the username is longer than ${limits.username} characters`)
  if (!usernamePattern.test(username)) throw invalid('the username may hold only letters, digits and . _ @ + -')
  if (isDotSegment(username)) throw invalid('the username is a dot segment')
  if (isBuiltIn(username)) throw reserved({ username }, 'one of Elasticsearch’s own')
}

function reserved({ username }: Pick<Identity, 'username'>, whose: string): GatewayError {
  return new GatewayError('user_reserved', `the username is ${whose}`, { username })
}

function invalid(detail: string): GatewayError {
  return new GatewayError('identity_invalid', detail)
}
