/** The `config.yml` of docs/auth-only-mode.md. */
export const pageYaml = `# Proxy mode disabled (default)
proxy:
  enabled: false

# Authentication provider
auth_provider: "authelia"

# Elasticsearch connection
elasticsearch:
  hosts: ["https://elasticsearch:9200"]
  username: "elastic"
  password: "changeme"

# Security
secret_key: "your-64-char-hex-key"
default_roles: ["kibana_user"]

# Cache for performance
cache:
  type: "redis"
  redis_host: "redis:6379"
  expiration: "1h"

# Server settings
listen: "0.0.0.0:5000"
log_level: "info"
`

/** The environment variables of docs/auth-only-mode.md. */
export const pageEnv = {
  ELASTAUTH_AUTH_PROVIDER: 'authelia',
  ELASTAUTH_SECRET_KEY: 'your-64-char-hex-key',
  ELASTAUTH_LISTEN: '0.0.0.0:5000',
  ELASTAUTH_ELASTICSEARCH_USERNAME: 'elastic',
  ELASTAUTH_ELASTICSEARCH_PASSWORD: 'changeme',
  ELASTAUTH_CACHE_TYPE: 'redis',
  ELASTAUTH_CACHE_REDIS_HOST: 'redis:6379',
  ELASTAUTH_CACHE_EXPIRATION: '1h',
}
