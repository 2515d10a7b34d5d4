import type { Config } from '../../config/schema.ts'
import type { DecisionObserver, Services } from '../app/handlers.ts'
import { clientCredentialsOptions } from '../app/options/client-credentials.ts'
import { credentialsOptions } from '../app/options/credentials.ts'
import { elasticsearchOptions } from '../app/options/elasticsearch.ts'
import { loginOptions } from '../app/options/login.ts'
import { oidcOptions } from '../app/options/oidc.ts'
import { routingOptions } from '../app/options/proxy.ts'
import { usersOptions } from '../app/options/users.ts'
import type { AuthenticatedUser } from '../auth/authenticate.ts'
import { createKeyring } from '../auth/credentials/password.ts'
import type { UserDirectory } from '../auth/credentials/user-directory.ts'
import type { Identity } from '../auth/identity.ts'
import type { Subject } from '../auth/subject.ts'
import type { Peer } from '../auth/trust/trust.ts'
import { createClientLogIn } from '../es/client-login.ts'
import { createCommandClient } from '../es/command-client.ts'
import { createResponse } from '../http/response.ts'
import { createLog } from '../observability/log.ts'
import { createRecentErrors } from '../observability/recent-errors.ts'
import type { ElasticsearchProviderOptions } from '../providers/elasticsearch/index.ts'
import type { PreparedRequest } from '../proxy/prepare-request.ts'
import type { Routing } from '../proxy/routing/routing.ts'
import { type ForwardStep, NotExplainable } from './explanation.ts'
import { createExplainedLogin } from './login.ts'
import { hiddenCredential, type StoredUserReader } from './stored-user.ts'
import { createUnverifiedTokens } from './tokens.ts'

/** What an explanation learns from the services while they handle its request. */
export type ServiceEvents = Readonly<{
  onSubject: (subject: Subject) => Promise<void>
  onDenied: (identity: Identity) => void
  onToken: (claims: Readonly<Record<string, unknown>>) => void
  onForward: (step: ForwardStep) => void
}>

export type ExplainServices = Readonly<{
  storedUsers: StoredUserReader
  /** The identity of a user with a password; undefined if there is none with this name. */
  findUser: (username: string) => Identity | undefined
  forRequest: (peer: Peer, events: ServiceEvents, observe: DecisionObserver) => Services
  close: () => void
}>

/**
 * The services of a server that writes nothing, forwards nothing and has no sessions.
 * @param connect whether Elasticsearch and the provider may be asked
 */
export async function createExplainServices(config: Config, connect: boolean): Promise<ExplainServices> {
  const log = await createLog({ level: 'silent', format: 'json', destination: { write: () => {} } })
  const { secretKeys, rules } = credentialsOptions(config)
  const elasticsearch = connect ? connectToElasticsearch(config) : undefined
  const oidc = oidcOptions(config)
  const tokens =
    oidc && connect
      ? (await import('../app/oidc.ts')).createOidc(oidc, log, { tracing: undefined, metrics: undefined })
      : undefined
  const userSources = usersOptions(config)
  const users =
    userSources && (await import('../app/users.ts')).createUsersService(userSources, { log, attemptStore: undefined })
  const clientCredentials = clientCredentialsOptions(config)
  const elasticsearchProvider =
    clientCredentials &&
    (await (
      await import('../app/client-credentials.ts')
    ).createClientCredentialsWith(elasticsearch?.logIn ?? rejectOwnCredential, clientCredentials, {
      log,
      attemptStore: undefined,
    }))
  const signIn = loginOptions(config)
  const routes = routingOptions(config)
  const proxy = routes && (await import('../app/proxy.ts'))
  const routing =
    routes && (await import('../proxy/routing/routing.ts')).createRouting({ ...routes, onHealth: () => {} })

  return Object.freeze<ExplainServices>({
    storedUsers: { get: elasticsearch?.get, keys: createKeyring(secretKeys), rules, now: Date.now },
    findUser: (username) => users?.find(username)?.identified.identity,
    forRequest: (peer, { onSubject, onDenied, onToken, onForward }, observe) => ({
      async obtain(subject) {
        await onSubject(subject)
        return hiddenCredential
      },
      reissue: async () => undefined,
      reissueInBackground: () => {},
      deny: onDenied,
      oidc: oidc && (tokens ?? createUnverifiedTokens(oidc, onToken)),
      login: signIn && createExplainedLogin(signIn),
      elasticsearchProvider,
      users,
      proxy: proxy &&
        routing && {
          createMode(options) {
            const { prepareRequest } = proxy.createPrepare(routing, options)
            const handle = proxy.withKibanaLogout(
              async (context) => {
                const prepared = await prepareRequest(context)
                onForward(forwardStepOf(prepared, routing))
                return { ...createResponse(200, 'text/plain', ''), username: prepared.identity?.username }
              },
              routing,
              options.logout,
            )
            return { handle }
          },
        },
      tracing: undefined,
      peerOf: () => peer,
      metrics: undefined,
      recentErrors: createRecentErrors(Date.now),
      log,
      checks: {},
      observe,
    }),
    close() {
      void elasticsearch?.close()
      void tokens?.close()
      void routing?.close()
    },
  })
}

type ReadOnlyElasticsearch = Readonly<{
  /** Undefined for a dry run. */
  get: UserDirectory['get'] | undefined
  logIn: ElasticsearchProviderOptions['logIn']
  close: () => Promise<void>
}>

function connectToElasticsearch(config: Config): ReadOnlyElasticsearch {
  const { client, call, users, close } = createCommandClient(elasticsearchOptions(config))
  return {
    get: config.elasticsearch.dry_run ? undefined : users.get,
    logIn: createClientLogIn(client, call),
    close,
  }
}

async function rejectOwnCredential(): Promise<never> {
  throw new NotExplainable('the request has a credential that only Elasticsearch can verify: add --connect')
}

function forwardStepOf({ route, path, identity, authenticated }: PreparedRequest, routing: Routing): ForwardStep {
  const upstream = routing.pickUpstream(route.upstreams, new Set())!
  return {
    upstream: upstream.url.origin,
    path,
    route: { host: route.host, path: route.path, auth: route.auth },
    authorization: authorizationOf(authenticated),
    identity_headers: route.identity_headers && identity !== undefined,
  }
}

function authorizationOf(user: AuthenticatedUser | undefined): ForwardStep['authorization'] {
  if (user === undefined) return 'none'
  return user.credential === hiddenCredential ? 'user' : 'own'
}
