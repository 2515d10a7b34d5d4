import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../../http/errors.ts'
import { singleValueOf } from '../../http/headers.ts'
import { decodeBasic } from '../basic-credential.ts'

/** How a client authenticates at Elasticsearch: by API key, by a service account's token, or by name and password. */
export type CredentialKind = 'api_key' | 'service_token' | 'basic'

/** Longer values are rejected. An API key has about 60 characters, a service account token 80. */
const maxLength = 4096

/** One space only: the value is forwarded unchanged, and servers disagree on several. */
const patterns: Readonly<Record<CredentialKind, RegExp>> = {
  api_key: /^apikey [A-Za-z0-9+/_-]+={0,2}$/i,
  service_token: /^bearer [A-Za-z0-9+/_-]+={0,2}$/i,
  basic: /^basic [A-Za-z0-9+/]+={0,2}$/i,
}

/**
 * The value of `Authorization` if it is a credential for Elasticsearch, otherwise undefined. Throws GatewayError
 * credential_invalid if such a credential is malformed, and identity_invalid for a duplicate header, because servers disagree
 * on which value counts.
 * @param acceptsBasic whether Basic is a credential for Elasticsearch
 */
export function findCredential({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, acceptsBasic: boolean) {
  const authorization = singleValueOf(rawHeaders, 'authorization', duplicateHeader)
  if (authorization === undefined) return undefined
  const kind = kindOf(authorization)
  if (kind === undefined || (kind === 'basic' && !acceptsBasic)) return undefined
  if (authorization.length > maxLength) throw invalidCredential(`Authorization is longer than ${maxLength} characters`)
  if (!patterns[kind].test(authorization)) throw invalidCredential(`Authorization is not ${descriptions[kind]}`)
  return authorization
}

/**
 * The kind of an `Authorization` value, which may be malformed. Every token of a service account begins with `AAEAAW`, the Base64
 * of its version and of the `e` of `elastic/`. Any other bearer token is none of Elasticsearch's, and must not be sent to it.
 */
export function kindOf(authorization: string): CredentialKind | undefined {
  switch (schemePattern.exec(authorization)?.[1]?.toLowerCase()) {
    case 'apikey':
      return 'api_key'
    case 'basic':
      return 'basic'
    case 'bearer':
      return serviceTokenPattern.test(authorization) ? 'service_token' : undefined
    default:
      return undefined
  }
}

const schemePattern = /^(apikey|basic|bearer)(?![\w-])/i
const serviceTokenPattern = /^\w+\s+AAEAAW/

const descriptions: Readonly<Record<CredentialKind, string>> = {
  api_key: '"ApiKey", a space and Base64',
  service_token: '"Bearer", a space and the token of a service account',
  basic: '"Basic", a space and Base64',
}

/** The username of a Basic credential that `findCredential` has found. Throws GatewayError credential_invalid. */
export function basicUsername(authorization: string): string {
  return decodeBasic(authorization.slice('Basic '.length)).username
}

/** @param reason what is wrong with the credential, without any part of it that could be used */
export function invalidCredential(reason: string): GatewayError {
  return new GatewayError('credential_invalid', `the credential was rejected: ${reason}`)
}

function duplicateHeader(): GatewayError {
  return new GatewayError('identity_invalid', 'duplicate header Authorization')
}
