import type { Config } from '../../config/schema.ts'
import { asGatewayError } from '../http/errors.ts'
import { createIsOwnNonce } from '../login/nonce.ts'
import type { Logger } from '../observability/log.ts'
import { createOidcTokens, type OidcTokens } from '../providers/oidc/tokens.ts'
import type { LoginDeps, LoginServices } from './login.ts'
import { oidcTokensOptions, providerCa } from './options/oidc.ts'
import type { PrepareReload } from './reload.ts'

export type OidcDeps = Pick<LoginDeps, 'sessionStore' | 'onSessionRevoked'> & Readonly<{ log: Logger }>

/**
 * The part of OpenID Connect that a reload of the configuration does not replace: the provider, verified tokens, and
 * login sessions.
 */
export type Oidc = OidcTokens & Readonly<{ login?: LoginServices; prepareReload: PrepareReload }>

export async function createOidc(config: Config, deps: OidcDeps): Promise<Oidc> {
  const { oidc } = config
  const { log } = deps
  const tokens = createOidcTokens({
    ...oidcTokensOptions(config),
    ...(oidc.login && { isOwnNonce: createIsOwnNonce([config.secret_key!, ...config.previous_secret_keys]) }),
    now: Date.now,
    monotonicNow: () => performance.now(),
    reportProblem(problem) {
      if (problem === undefined) log.info('connected to the identity provider')
      else log.error({ 'error.code': 'provider_unavailable' }, `${problem}; retrying when it is needed`)
    },
  })
  const prepareReload: PrepareReload = (next) => tokens.prepareRenewal(providerCa(next))
  if (!oidc.login) return Object.freeze({ ...tokens, prepareReload })
  const { createLoginServices } = await import('./login.ts')
  const onRefreshFailure = (thrown: unknown) => {
    const { code, detail } = asGatewayError(thrown)
    log.warn({ 'error.code': code }, `cannot refresh a session: ${detail}`)
  }
  let isLogged = false
  const onMissingRefreshToken = () => {
    if (!isLogged) log.info(missingRefreshToken)
    isLogged = true
  }
  return Object.freeze({
    ...tokens,
    prepareReload,
    login: createLoginServices(config, { ...deps, tokens, onRefreshFailure, onMissingRefreshToken }),
  })
}

const missingRefreshToken =
  'the provider sends no refresh token, so groups do not change during a session: request one, for example with the scope offline_access'
