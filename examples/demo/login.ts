import { startOidcProvider } from '../../test/support/oidc/provider.ts'
import { type Gateway, type GatewayOptions, startGateway } from './gateway.ts'

/** Starts an OpenID provider whose users need no password, and an elastauth in proxy mode that redirects users to it. */
export async function startLogin(options: Pick<GatewayOptions, 'backend' | 'log'>): Promise<Gateway> {
  const provider = await startOidcProvider()
  try {
    const gateway = await startGateway({
      ...options,
      file: 'oidc.yml',
      port: 5003,
      flags: { 'oidc.issuer': provider.issuer, 'oidc.client_id': provider.clientId },
      env: { ELASTAUTH_OIDC_CLIENT_SECRET: provider.clientSecret },
    })
    provider.register(gateway.url)
    return {
      url: gateway.url,
      async close() {
        await gateway.close()
        await provider.stop()
      },
    }
  } catch (error) {
    await provider.stop()
    throw error
  }
}
