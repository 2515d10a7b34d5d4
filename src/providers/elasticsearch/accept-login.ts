import { controlCharacter, isReservedUsername } from '../../../config/identity-limits.ts'
import type { RequestIdentity } from '../../auth/identity.ts'
import { GatewayError } from '../../http/errors.ts'
import { type CredentialKind, invalidCredential } from './client-credential.ts'

/** What Elasticsearch says about the owner of a client's credential. */
export type ClientLogin = Readonly<{
  username: string
  roles: readonly string[]
  metadata: Readonly<Record<string, unknown>>
  realm: Readonly<{ name: string; type: string }>
  /** `realm` for a name with a password, `api_key`, `token`, `anonymous` and others. */
  type: string
  /** The API key or the service account's token. Tokens have no id. */
  key: Readonly<{ id?: string; name: string }> | undefined
}>

export type LoginRules = Readonly<{
  /** The username of elastauth's service account; undefined if it uses an API key. */
  serviceAccount: string | undefined
  /** The id of elastauth's own API key; undefined if it uses a password. */
  ownKeyId: string | undefined
  /** The reserved users that may sign in by Basic. */
  allowReserved: readonly string[]
}>

/** `authentication_type` of Elasticsearch, by the kind of the credential that was sent. */
const expectedTypes: Readonly<Record<CredentialKind, string>> = {
  api_key: 'api_key',
  service_token: 'token',
  basic: 'realm',
}

/** Longer than any username that Elasticsearch accepts for its native users (507). */
const maxUsername = 1024

/**
 * The identity of a client whose credential Elasticsearch has accepted.
 * Throws GatewayError credential_invalid, identity_invalid, user_reserved.
 */
export function acceptLogin(login: ClientLogin, kind: CredentialKind, rules: LoginRules): RequestIdentity {
  const { username, roles, realm, type, key } = login
  // Elasticsearch ignores a scheme that its settings disable. With anonymous access the caller is then the anonymous user.
  if (type !== expectedTypes[kind])
    throw invalidCredential(`Elasticsearch did not use it (its authentication type is ${type})`)
  if (username === '' || username.length > maxUsername || controlCharacter.test(username))
    throw new GatewayError('identity_invalid', 'the username from Elasticsearch is too long or has a control character')
  rejectServiceAccount(username, rules)
  if (kind === 'api_key' && key?.id !== undefined && key.id === rules.ownKeyId)
    throw new GatewayError('user_reserved', "the API key is elastauth's own", { username })
  if (kind === 'basic') rejectUnlessOrdinary(login, rules)
  const credential = Object.freeze({ realm: realm.name, ...key })
  const identity = Object.freeze({
    username,
    groups: Object.freeze([]),
    provider: 'elasticsearch',
    credential,
  })
  // Browsers send Basic by themselves, but no other scheme.
  return Object.freeze({ identity, isAmbient: kind === 'basic', ownRoles: Object.freeze([...roles]) })
}

/**
 * Rejects names that may not sign in by Basic. Also called before Elasticsearch is asked, so that their passwords cannot be
 * guessed through elastauth. Throws GatewayError user_reserved.
 */
export function rejectReservedName(username: string, rules: LoginRules): void {
  rejectServiceAccount(username, rules)
  if (isReservedUsername(username) && !rules.allowReserved.includes(username)) throw reservedUser(username)
}

function rejectUnlessOrdinary({ username, metadata, realm }: ClientLogin, rules: LoginRules): void {
  rejectReservedName(username, rules)
  const isReserved = metadata._reserved === true || realm.type === 'reserved'
  if (isReserved && !rules.allowReserved.includes(username)) throw reservedUser(username)
  if (metadata.elastauth !== undefined)
    throw new GatewayError('user_reserved', 'elastauth manages this user, whose password is for elastauth only', {
      username,
    })
}

function rejectServiceAccount(username: string, { serviceAccount }: LoginRules): void {
  if (username.toLowerCase() === serviceAccount?.toLowerCase())
    throw new GatewayError('user_reserved', "the username is reserved for elastauth's own service account", {
      username,
    })
}

function reservedUser(username: string): GatewayError {
  return new GatewayError(
    'user_reserved',
    'the username is reserved for Elasticsearch: elasticsearch_auth.allow_reserved does not list it',
    { username },
  )
}
