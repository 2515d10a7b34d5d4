import type { Config } from '../../config/schema.ts'
import { asGatewayError } from '../http/errors.ts'
import { createIsOwnNonce } from '../login/nonce.ts'
import type { Logger } from '../observability/log.ts'
import { createOidcTokens, type OidcTokens } from '../providers/oidc/tokens.ts'
import type { LoginDeps, LoginServices } from './login.ts'
import { oidcTokensOptions } from './options/oidc.ts'

export type OidcDeps = Pick<LoginDeps, 'sessionStore' | 'onEnded'> & Readonly<{ log: Logger }>

/** What of OpenID Connect lives as long as the process: the provider, the tokens it verified, sessions where people log in. */
export type Oidc = OidcTokens & Readonly<{ login?: LoginServices }>

export async function createOidc(config: Config, deps: OidcDeps): Promise<Oidc> {
  const { oidc } = config
  const { log } = deps
  const tokens = createOidcTokens({
    ...oidcTokensOptions(oidc),
    ...(oidc.login && { isOwnNonce: createIsOwnNonce([config.secret_key!, ...config.previous_secret_keys]) }),
    now: Date.now,
    monotonicNow: () => performance.now(),
    reportProblem(problem) {
      if (problem === undefined) log.info('the identity provider is there')
      else log.error({ 'error.code': 'provider_unavailable' }, `${problem}. Trying again when it is needed`)
    },
  })
  if (!oidc.login) return tokens
  const { createLoginServices } = await import('./login.ts')
  const onFailure = (thrown: unknown) => {
    const { code, detail } = asGatewayError(thrown)
    log.warn({ 'error.code': code }, `a session was not refreshed: ${detail}`)
  }
  let isSaid = false
  const onUnrefreshable = () => {
    if (!isSaid) log.info('the provider gives no refresh token (scope offline_access?): groups stay those of the login')
    isSaid = true
  }
  return Object.freeze({
    ...tokens,
    login: createLoginServices(config, { ...deps, tokens, onFailure, onUnrefreshable }),
  })
}
