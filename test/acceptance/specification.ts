/**
 * The published specification of auth-only mode: configuration, variables, commands and responses that must keep working as they
 * were published. They are held here, so that every clone tests them and the guide in docs/ can use current names. The deprecated
 * names in them (`elastic`, `kibana_user`) are part of the promise.
 */

/** The `config.yml`. */
export const configuration = `proxy:
  enabled: false
auth_provider: "authelia"
elasticsearch:
  hosts: ["https://elasticsearch:9200"]
  username: "elastic"
  password: "changeme"
secret_key: "your-64-char-hex-key"
default_roles: ["kibana_user"]
cache:
  type: "redis"
  redis_host: "redis:6379"
  expiration: "1h"
listen: "0.0.0.0:5000"
log_level: "info"
`

/** Environment variables, which also work instead of the file. */
export const environment = {
  ELASTAUTH_AUTH_PROVIDER: 'authelia',
  ELASTAUTH_SECRET_KEY: 'your-64-char-hex-key',
  ELASTAUTH_LISTEN: '0.0.0.0:5000',
  ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
  ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
  ELASTAUTH_CACHE_TYPE: 'redis',
  ELASTAUTH_CACHE_REDIS_HOST: 'redis:6379',
  ELASTAUTH_CACHE_EXPIRATION: '1h',
}

/** Further sets of variables, with values instead of Compose's placeholders. */
export const otherEnvironments: readonly (readonly [use: string, variables: Readonly<Record<string, string>>])[] = [
  [
    'Docker Compose',
    {
      ELASTAUTH_AUTH_PROVIDER: 'authelia',
      ELASTAUTH_SECRET_KEY: '0123456789abcdef'.repeat(4),
      ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
      ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
      ELASTAUTH_CACHE_TYPE: 'redis',
      ELASTAUTH_CACHE_REDIS_HOST: 'redis:6379',
    },
  ],
  ["Elasticsearch's CA", { ELASTAUTH_ELASTICSEARCH_CA_CERT: '/certs/ca.crt' }],
  ['several replicas', { ELASTAUTH_CACHE_TYPE: 'redis', ELASTAUTH_CACHE_REDIS_HOST: 'redis:6379' }],
  ['a secret key', { ELASTAUTH_SECRET_KEY: 'your-generated-key' }],
]

/** Parts of a configuration that the troubleshooting and tuning sections show. */
export const fragments: readonly (readonly [use: string, yaml: string])[] = [
  ['an Elasticsearch user that is not created', 'elasticsearch:\n  username: "elastic"\n  password: "changeme"\n'],
  ['a disabled dry run', 'elasticsearch:\n  dry_run: false\n'],
  ['a cache that does not work', 'cache:\n  type: "redis"\n  redis_host: "redis:6379"\n  expiration: "1h"\n'],
  ['Elasticsearch without TLS', 'elasticsearch:\n  hosts: ["http://elasticsearch:9200"]\n'],
  ['Elasticsearch with TLS', 'elasticsearch:\n  hosts: ["https://elasticsearch:9200"]\n'],
  ['a tuned cache', 'cache:\n  type: "redis"\n  expiration: "1h"\n  redis_host: "redis:6379"\n'],
]

/** Lifetimes of a password that the specification recommends. */
export const recommendedExpirations = ['15m', '30m', '1h', '2h', '4h']

/** Commands that an administrator copies. `http://localhost:5000` and `http://elastauth:5000` are elastauth. */
export const commands = {
  identityInJson: `curl -H "Remote-User: testuser" \\
     -H "Remote-Groups: admins,users" \\
     -H "Remote-Email: test@example.com" \\
     http://localhost:5000/`,
  headersOnly: `curl -I -H "Remote-User: testuser" \\
        -H "Remote-Groups: admins" \\
        http://localhost:5000/`,
  defaultRoles: 'curl -I -H "Remote-User: test" http://elastauth:5000/',
  /** With `-i` and `tr`, which the published text lacks: without `-i` curl does not print the header that the script looks for. */
  useTheHeader: `AUTH_HEADER=$(curl -si -H "Remote-User: testuser" \\
                      -H "Remote-Groups: admins" \\
                      http://localhost:5000/ | \\
              grep -o 'Authorization: .*' | \\
              cut -d' ' -f2- | \\
              tr -d '\\r')
curl -H "Authorization: $AUTH_HEADER" \\
     https://elasticsearch:9200/_cluster/health`,
}

/** The body of the response to `identityInJson`. */
export const identityInJson = {
  message: 'Authentication successful',
  username: 'testuser',
  groups: ['admins', 'users'],
  email: 'test@example.com',
}

/** What the log says about a request without identity headers. */
export const missingHeaders = 'missing authentication headers'

/** The middlewares for Traefik. */
export const traefikMiddlewares = {
  authelia: {
    forwardAuth: {
      address: 'http://authelia:9091/api/verify?rd=https://auth.example.com',
      trustForwardHeader: true,
      authResponseHeaders: ['Remote-User', 'Remote-Groups', 'Remote-Email', 'Remote-Name'],
    },
  },
  elastauth: {
    forwardAuth: {
      address: 'http://elastauth:5000/',
      trustForwardHeader: true,
      authResponseHeaders: ['Authorization'],
    },
  },
  'auth-chain': { chain: { middlewares: ['authelia', 'elastauth'] } },
}
