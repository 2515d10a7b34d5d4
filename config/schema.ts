import type { FormatName, FormatValue } from './formats/registry.ts'

/**
 * Every configuration key. Validation, defaults, environment variables, flags, the example file, the JSON schema for
 * editors and docs/configuration.md are derived from it. Defaults are written as in YAML; `null` means not set.
 */
export const schema = {
  auth_provider: { doc: 'Where the identity of a user comes from.', format: 'auth_provider', default: 'authelia' },
  auth_providers: {
    doc: 'Several providers instead of `auth_provider`, in order: the first one whose headers, token, session or key the request carries decides.',
    format: 'auth_provider_list',
    default: [],
  },
  secret_key: {
    doc: 'Key that all passwords are derived from: 64 hex digits, the same on every replica. Required.',
    format: 'secret_key',
    default: null,
    sensitive: true,
    example: 'your-64-char-hex-key',
  },
  previous_secret_keys: {
    doc: 'Former secret keys. Users whose password was derived from one of them keep it until its next rotation.',
    format: 'secret_key_list',
    default: [],
    sensitive: true,
  },
  listen: {
    doc: 'Address to listen on, or a list of addresses: `host:port`, `:5000` for all interfaces, or `unix:/path` for a unix socket. Prefix it with `http://` or `https://` to choose the protocol. See docs/listeners.md.',
    format: 'listen_list',
    default: '127.0.0.1:5000',
  },
  listen_mode: { doc: 'Permissions of unix sockets: octal, in quotes.', format: 'file_mode', default: '0660' },
  tls: {
    cert: {
      doc: 'Server certificate (PEM file), followed by its intermediate certificates. If set, listeners use TLS unless their address begins with `http://`.',
      format: 'certificate_file',
      default: null,
    },
    key: { doc: 'Private key of `tls.cert` (PEM file).', format: 'private_key_file', default: null },
    client_ca: {
      doc: 'CA certificates (PEM file) that client certificates are verified against.',
      format: 'certificate_file',
      default: null,
    },
    client_auth: {
      doc: 'Whether clients are asked for a certificate: `request` makes it optional, `require` rejects connections without a valid one.',
      format: 'client_auth',
      default: 'none',
    },
    client_names: {
      doc: 'If set, `client_cert` in `trusted_proxies` accepts only certificates with one of these names: an exact match of a subject alternative name or the common name.',
      format: 'text_list',
      default: [],
    },
  },
  log_level: { doc: 'Minimum severity to log.', format: 'log_level', default: 'info' },
  log_format: { doc: '`auto` is text on a terminal, otherwise JSON (ECS).', format: 'log_format', default: 'auto' },
  log: {
    sample_hits: {
      doc: 'The share of successful requests that is logged, from 0 to 1, e.g. `0.01` for one in a hundred. Failed requests, and everything above level info, are always logged.',
      format: 'share',
      default: 1,
    },
    exclude_paths: {
      doc: 'Paths whose successful requests are not logged: exact, or with `*` at the end, e.g. `/ui/*`.',
      format: 'path_pattern_list',
      default: [],
    },
  },
  audit: {
    path: {
      doc: 'Append audit events to this file, one JSON object per line. It is created with permissions 0600 and reopened on SIGHUP. See docs/audit.md.',
      format: 'text',
      default: null,
    },
    stdout: {
      doc: 'Write audit events to standard output, between the lines of the log.',
      format: 'boolean',
      default: false,
    },
    elasticsearch: {
      api_key: {
        doc: 'Write audit events to Elasticsearch with this API key, which should be allowed to do nothing else.',
        format: 'text',
        default: null,
        sensitive: true,
      },
      data_stream: {
        doc: 'The data stream for audit events.',
        format: 'data_stream',
        default: 'logs-elastauth.audit-default',
      },
      hosts: {
        doc: 'URLs of another cluster for audit events. By default they are written to `elasticsearch.hosts`, with the TLS settings of that section.',
        format: 'url_list',
        default: [],
      },
      ca_cert: {
        doc: 'CA certificates (PEM file) that the certificate of this cluster is verified against.',
        format: 'certificate_file',
        default: null,
      },
    },
    requests: {
      doc: 'Proxy mode: also record each forwarded request, with the names of its indices.',
      format: 'boolean',
      default: false,
    },
    required: {
      doc: 'Reject requests with 503 while audit events cannot be written. By default requests continue, and lost events are counted.',
      format: 'boolean',
      default: false,
    },
  },
  enable_metrics: {
    doc: 'Serve Prometheus metrics at /elastauth/metrics: to direct requests from loopback and private addresses, or on `metrics.listen`. See docs/operations.md.',
    format: 'boolean',
    default: false,
  },
  metrics: {
    listen: {
      doc: 'Address, or list of addresses, that serves only /metrics and /elastauth/metrics, to every client that reaches it; the other listeners then serve no metrics. Same syntax as `listen`.',
      format: 'listen_list',
      default: null,
    },
  },
  enableOtel: {
    doc: 'Export traces over OTLP, configured by the standard `OTEL_` variables. See docs/tracing.md.',
    format: 'boolean',
    default: false,
  },
  default_roles: {
    doc: 'Elasticsearch roles of users without a mapped group. Never grant more than a mapped group does: a request that lost its groups header looks the same as a user without groups.',
    format: 'role_list',
    default: [],
    example: ['viewer'],
  },
  group_mappings: {
    doc: 'Elasticsearch roles by group. `*` in a group name matches any text, and `{group}` in a role is replaced by the group, e.g. `team-*: ["{group}-reader"]`. Group names are case-insensitive.',
    format: 'group_mappings',
    default: {},
  },
  enable_group_whitelist: {
    doc: 'Allow only members of a group in `group_whitelist`.',
    format: 'boolean',
    default: false,
    restrictsAccess: true,
  },
  group_whitelist: { doc: 'The allowed groups.', format: 'text_list', default: [], restrictsAccess: true },
  extend_cache: {
    doc: 'Extend the lifetime of the password of an active user, up to an age of 24 h, instead of rotating it.',
    format: 'boolean',
    default: false,
  },
  trusted_proxies: {
    doc: 'Peers that may assert identity headers: networks, addresses, or the words `loopback`, `private`, `unix` (any process that can open the socket), `client_cert` (any client with a certificate that `tls.client_ca` verifies), `all`, `none`.',
    format: 'peer_list',
    default: ['loopback', 'private'],
    restrictsAccess: true,
  },
  proxy_secret: {
    doc: 'If set, the proxy must send this secret in `proxy_secret_header`. At least 16 characters.',
    format: 'shared_secret',
    default: null,
    sensitive: true,
    restrictsAccess: true,
  },
  proxy_secret_header: {
    doc: 'Header that carries `proxy_secret`.',
    format: 'header_name',
    default: 'X-Elastauth-Proxy-Secret',
  },
  admin_roles: {
    doc: 'Roles that may read /elastauth/config from another machine, and list and end the sessions of users at /elastauth/admin/.',
    format: 'role_list',
    default: [],
  },
  pages: {
    support: {
      doc: 'Where users get help, shown on error pages: a text, or an https:// or mailto: link.',
      format: 'text',
      default: null,
    },
  },
  shutdown_timeout: {
    doc: 'How long requests in progress may take to finish after SIGTERM.',
    format: 'duration',
    default: '10s',
    max: 3_600_000,
  },
  max_connections: {
    doc: 'Maximum number of concurrent client connections; further ones are closed. On Linux each needs a file descriptor, or two in proxy mode. Lowered to what fits into half of the heap (320 KiB each; docs/listeners.md).',
    format: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
  },
  forward_auth: {
    profile: {
      doc: 'Conventions of the proxy. `nginx` responds with 403 where `generic` responds with 400, 404, 429 or 431, which nginx would turn into 500, and reads the original request from `X-Original-URL` and `X-Original-Method`; `generic` reads it from `X-Forwarded-*`. Below `path_prefix` it is read from the request line.',
      format: 'forward_auth_profile',
      default: 'generic',
    },
    path_prefix: {
      doc: "For proxies that append the client's path to the address of their sub-requests (Envoy): sub-requests are also accepted below this path, e.g. `/authorize`. Without it, only on `/`.",
      format: 'sub_request_path',
      default: null,
    },
    listen: {
      doc: 'Address, or list of addresses, for sub-requests only; `listen` then serves only pages. Same syntax as `listen`. Use it where browsers reach `/elastauth/`. See docs/listeners.md.',
      format: 'listen_list',
      default: null,
    },
  },
  session: {
    idle_timeout: {
      doc: 'How long a login session may stay unused before it ends.',
      format: 'duration',
      default: '8h',
      min: 1000,
    },
    lifetime: { doc: 'Maximum lifetime of a login session.', format: 'duration', default: '24h', min: 1000 },
    grace: {
      doc: 'How long a session remains valid after its token has expired, while the provider cannot be reached.',
      format: 'duration',
      default: '5m',
    },
  },
  headers: {
    username: {
      doc: 'Header that carries the username. Default: the header of the provider.',
      format: 'header_name',
      default: null,
    },
    groups: {
      doc: 'Header that carries the groups. Default: the header of the provider.',
      format: 'header_name',
      default: null,
    },
    email: {
      doc: 'Header that carries the email address. Default: the header of the provider.',
      format: 'header_name',
      default: null,
    },
    name: {
      doc: 'Header that carries the full name. Default: the header of the provider.',
      format: 'header_name',
      default: null,
    },
    groups_separator: {
      doc: 'Separator between groups in the groups header. Default: the separator of the provider.',
      format: 'text',
      default: null,
    },
  },
  authelia: {
    header_username: { doc: 'Older spelling of `headers.username`.', format: 'header_name', default: null },
    header_groups: { doc: 'Older spelling of `headers.groups`.', format: 'header_name', default: null },
    header_email: { doc: 'Older spelling of `headers.email`.', format: 'header_name', default: null },
    header_name: { doc: 'Older spelling of `headers.name`.', format: 'header_name', default: null },
  },
  static: {
    username: {
      doc: 'Username that `auth_provider: static` gives to every request. For local development.',
      format: 'username',
      default: null,
    },
    groups: { doc: 'Groups of the static user.', format: 'group_list', default: [] },
    email: { doc: 'Email address of the static user.', format: 'email', default: null },
    name: { doc: 'Full name of the static user.', format: 'full_name', default: null },
    allow_remote: {
      doc: 'Allow listeners that other machines can reach. Every client is then the static user.',
      format: 'boolean',
      default: false,
    },
  },
  users: {
    path: {
      doc: 'Path of the file with the users of `auth_provider: users`: YAML, or the output of `htpasswd -B`. Changes apply without a restart. See docs/users.md.',
      format: 'text',
      default: null,
    },
    inline: {
      doc: 'Users by name, in the configuration itself, instead of the file or in addition to it. See docs/users.md.',
      format: 'user_map',
      default: {},
      sensitive: true,
    },
    login: {
      doc: 'Let people sign in with a form. `false`: only scripts can sign in, with `Authorization: Basic`.',
      format: 'boolean',
      default: true,
    },
  },
  elasticsearch: {
    hosts: {
      doc: 'URLs of the Elasticsearch nodes.',
      format: 'url_list',
      default: ['http://127.0.0.1:9200'],
      example: ['https://elasticsearch:9200'],
    },
    username: {
      doc: 'Username of the service account that manages users.',
      format: 'basic_username',
      default: null,
      example: 'elastauth',
    },
    password: {
      doc: 'Password of the service account.',
      format: 'text',
      default: null,
      sensitive: true,
      example: 'changeme',
    },
    api_key: {
      doc: 'API key of the service account, instead of username and password.',
      format: 'text',
      default: null,
      sensitive: true,
    },
    ca_cert: {
      doc: 'CA certificates (PEM file) that the certificate of Elasticsearch is verified against.',
      format: 'certificate_file',
      default: null,
    },
    client_cert: { doc: 'Client certificate for Elasticsearch (PEM file).', format: 'certificate_file', default: null },
    client_key: {
      doc: 'Private key of `elasticsearch.client_cert` (PEM file).',
      format: 'private_key_file',
      default: null,
    },
    insecure_skip_verify: {
      doc: 'Do not verify the certificate of Elasticsearch. For development only.',
      format: 'boolean',
      default: false,
    },
    timeout: {
      doc: 'Timeout of one call, including retries on other hosts and the whole response. In addition, a call may wait up to twice as long for one of 16 connections per host.',
      format: 'duration',
      default: '10s',
      min: 1,
      max: 3_600_000,
    },
    password_hashing: {
      doc: 'Where passwords are hashed: `pbkdf2_1000` hashes them in elastauth, which makes new users cheap for Elasticsearch; `server` leaves it to Elasticsearch and its own setting, e.g. for a FIPS policy.',
      format: 'password_hashing',
      default: 'pbkdf2_1000',
    },
    dry_run: {
      doc: 'Neither read from nor write to Elasticsearch; responses still carry a credential, which Elasticsearch will reject.',
      format: 'boolean',
      default: false,
    },
    adopt_existing_users: {
      doc: 'Take over existing users of the same name that elastauth did not create.',
      format: 'boolean',
      default: false,
    },
    rekey: {
      doc: 'Whether to take over a user that was written with an unknown secret key: `allow` (once, with a warning) or `never`. See docs/credentials.md.',
      format: 'rekey',
      default: 'allow',
    },
  },
  elasticsearch_auth: {
    basic: {
      doc: 'The provider `elasticsearch` also accepts names with passwords (`Authorization: Basic`) of Elasticsearch users, except those that elastauth manages. See docs/elasticsearch-credentials.md.',
      format: 'boolean',
      default: false,
    },
    cache_ttl: {
      doc: 'How long a credential that Elasticsearch has verified is accepted without another call. A revoked key works for up to this long.',
      format: 'duration',
      default: '60s',
      max: 3_600_000,
    },
    allow_reserved: {
      doc: "Elasticsearch's reserved users, such as `elastic`, that `basic` accepts.",
      format: 'text_list',
      default: [],
    },
  },
  kibana: {
    activate_profile: {
      doc: 'Activate the user profile in Elasticsearch when a user is created or changed, so that Kibana knows the user before the first sign-in to Kibana. See docs/credentials.md.',
      format: 'boolean',
      default: false,
    },
  },
  user_retention: {
    disable_after: {
      doc: 'Disable inactive users in Elasticsearch this long after their last password has expired. The next sign-in enables them. By default they stay enabled. See docs/removing-a-person.md.',
      format: 'duration',
      default: null,
      min: 600_000,
    },
    delete_after: {
      doc: 'Delete inactive users in Elasticsearch this long after their last password has expired. Must be longer than `disable_after` and `session.lifetime`. By default they are not deleted. A revoked user is deleted at the earliest this long after the revocation. Each sweep, every few minutes, deletes at most 100 users.',
      format: 'duration',
      default: null,
      min: 86_400_000,
    },
    invalidate_api_keys: {
      doc: 'Also invalidate the API keys of users who are disabled or deleted because of inactivity. Otherwise the keys keep working.',
      format: 'boolean',
      default: false,
    },
  },
  cache: {
    type: {
      doc: 'Where the state of credentials is cached: in `memory`, or also in `redis` to share it between replicas; `none` caches no credentials. With `redis`, sessions and failed attempts are stored there as well. `file` is accepted and means `memory`.',
      format: 'cache_type',
      default: 'memory',
    },
    expiration: { doc: 'Lifetime of a password.', format: 'duration', default: '1h', min: 1000, max: 2_592_000_000 },
    max_entries: {
      doc: 'Maximum number of users cached in memory, and of sessions if they are in memory.',
      format: 'integer',
      default: 100_000,
      min: 1,
      max: 10_000_000,
    },
    revalidate: {
      doc: 'Age after which a cached credential is checked against Elasticsearch in the background.',
      format: 'duration',
      default: '60s',
      min: 1000,
    },
    rotation_pause: {
      doc: 'Pause between the last use of the old password and the first use of the new one. It must exceed the clock skew between replicas.',
      format: 'duration',
      default: '1s',
      max: 10_000,
    },
    path: {
      doc: 'Accepted for compatibility (directory of the former file cache); not used.',
      format: 'text',
      default: null,
    },
    redis_host: { doc: 'Address of the Redis server.', format: 'host_port', default: 'localhost:6379' },
    redis_db: { doc: 'Number of the Redis database.', format: 'integer', default: 0, max: 65_535 },
    redis_url: {
      doc: 'redis:// or rediss:// URL, instead of `redis_host`, `redis_db`, `redis_username` and `redis_password`.',
      format: 'redis_url',
      default: null,
      sensitive: true,
    },
    redis_username: { doc: 'Redis username (ACL).', format: 'text', default: null },
    redis_password: { doc: 'Redis password.', format: 'text', default: null, sensitive: true },
    redis_sentinels: {
      doc: 'Addresses of Redis Sentinels, instead of `redis_host`.',
      format: 'host_port_list',
      default: [],
    },
    redis_sentinel_password: {
      doc: 'Password of the Sentinels, if they have their own.',
      format: 'text',
      default: null,
      sensitive: true,
    },
    redis_sentinel_master: { doc: 'Name of the master that the Sentinels monitor.', format: 'text', default: null },
    redis_cluster: {
      doc: 'Addresses of Redis Cluster nodes, instead of `redis_host`.',
      format: 'host_port_list',
      default: [],
    },
    redis_tls: {
      doc: 'Use TLS for Redis. Implied by rediss://, `redis_ca_cert` and `redis_client_cert`.',
      format: 'boolean',
      default: false,
    },
    redis_ca_cert: {
      doc: 'CA certificates (PEM file) that the certificate of Redis is verified against.',
      format: 'certificate_file',
      default: null,
    },
    redis_client_cert: { doc: 'Client certificate for Redis (PEM file).', format: 'certificate_file', default: null },
    redis_client_key: {
      doc: 'Private key of `cache.redis_client_cert` (PEM file).',
      format: 'private_key_file',
      default: null,
    },
    redis_timeout: {
      doc: 'Timeout of one call to Redis. After it, elastauth continues without Redis; a request that needs a session from Redis gets 503. At the start, elastauth waits for the connection as long, and at least 1 s.',
      format: 'duration',
      default: '250ms',
      min: 10,
      max: 10_000,
    },
  },
  proxy: {
    enabled: {
      doc: 'Proxy mode: forward authenticated requests to an upstream instead of answering forward-auth sub-requests.',
      format: 'boolean',
      default: false,
    },
    elasticsearch_url: { doc: 'Upstream for requests that match no route.', format: 'url', default: null },
    timeout: {
      doc: 'Timeout for the response headers of an upstream, and for each pause in its response or in the body of a request. The total duration is not limited.',
      format: 'duration',
      default: '30s',
      min: 1,
      max: 3_600_000,
    },
    client_timeout: {
      doc: 'How long a client may stop reading a response before its connection is closed.',
      format: 'duration',
      default: '2m',
      min: 1,
      max: 3_600_000,
    },
    max_idle_conns: {
      doc: 'Maximum number of idle connections kept open to each upstream.',
      format: 'integer',
      default: 100,
      min: 1,
      max: 100_000,
    },
    idle_conn_timeout: {
      doc: 'How long an idle upstream connection is kept open.',
      format: 'duration',
      default: '90s',
      min: 1,
      max: 86_400_000,
    },
    routes: {
      doc: 'Upstreams by host and path: a list of maps with host, path, upstreams, strip_path, auth (required or none), credential (user or none), identity_headers, headers, tls.',
      format: 'route_list',
      default: [],
    },
    tls: {
      enabled: { doc: 'Apply the TLS settings below to upstreams.', format: 'boolean', default: false },
      insecure_skip_verify: {
        doc: 'Do not verify the certificates of upstreams. For development only.',
        format: 'boolean',
        default: false,
      },
      ca_cert: {
        doc: 'CA certificates (PEM file) that the certificates of upstreams are verified against.',
        format: 'certificate_file',
        default: null,
      },
      client_cert: { doc: 'Client certificate for upstreams (PEM file).', format: 'certificate_file', default: null },
      client_key: {
        doc: 'Private key of `proxy.tls.client_cert` (PEM file).',
        format: 'private_key_file',
        default: null,
      },
    },
  },
  oidc: {
    issuer: {
      doc: 'Issuer URL, exactly as the provider spells it. Endpoints are discovered from it.',
      format: 'url',
      default: null,
    },
    client_id: {
      doc: 'Client ID. Tokens must have it, or one of `oidc.audiences`, as their audience.',
      format: 'text',
      default: null,
    },
    client_secret: { doc: 'Client secret.', format: 'text', default: null, sensitive: true },
    login: {
      doc: 'Redirect people who are not signed in to the provider. `false`: accept tokens only.',
      format: 'boolean',
      default: true,
    },
    authorization_endpoint: { doc: 'Overrides the discovered authorization endpoint.', format: 'url', default: null },
    token_endpoint: { doc: 'Overrides the discovered token endpoint.', format: 'url', default: null },
    userinfo_endpoint: { doc: 'Overrides the discovered userinfo endpoint.', format: 'url', default: null },
    introspection_endpoint: { doc: 'Overrides the discovered introspection endpoint.', format: 'url', default: null },
    jwks_uri: { doc: 'Overrides the discovered URL of the JSON Web Key Set.', format: 'url', default: null },
    end_session_endpoint: { doc: 'Overrides the discovered end-session endpoint.', format: 'url', default: null },
    redirect_url: {
      doc: 'Redirect URI as registered at the provider: `https://<host>/elastauth/callback`. Default: built from the host of the request.',
      format: 'url',
      default: null,
    },
    post_logout_redirect_url: {
      doc: 'Where the provider redirects people after logout, as registered there, e.g. `https://<host>/elastauth/signed-out`.',
      format: 'url',
      default: null,
    },
    scopes: {
      doc: 'Scopes to request. From the default, `groups` is left out if the provider lists its scopes without it.',
      format: 'text_list',
      default: ['openid', 'profile', 'email', 'groups'],
    },
    client_auth_method: {
      doc: 'How elastauth authenticates to the provider.',
      format: 'client_auth_method',
      default: 'client_secret_basic',
    },
    private_key: {
      doc: 'Private key (PEM file: RSA, EC or Ed25519) for `client_auth_method: private_key_jwt`.',
      format: 'private_key_file',
      default: null,
    },
    private_key_id: { doc: 'Key ID (`kid`) of `oidc.private_key` at the provider.', format: 'text', default: null },
    token_validation: {
      doc: 'How tokens are validated: by signature (`jwks`), with the userinfo endpoint (`userinfo`), with both, or by introspection.',
      format: 'token_validation',
      default: 'jwks',
    },
    validation_ttl: {
      doc: 'How long a response of the userinfo or introspection endpoint is cached.',
      format: 'duration',
      default: '30s',
      max: 300_000,
    },
    audiences: {
      doc: 'Accepted token audiences in addition to `client_id`.',
      format: 'text_list',
      default: [],
    },
    algorithms: {
      doc: 'Accepted signature algorithms of tokens; only asymmetric ones are allowed.',
      format: 'signature_algorithm_list',
      default: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
    },
    token_header: {
      doc: 'Header in which a proxy adds a token to every request, e.g. Cf-Access-Jwt-Assertion. `Authorization` if the proxy adds a bearer token: without this, its tokens are accepted, but writes with them from pages of other sites as well (CSRF).',
      format: 'header_name',
      default: null,
    },
    authorization_parameters: {
      doc: 'Additional parameters of the authorization request, e.g. access_type: offline (Google), prompt, audience (Auth0).',
      format: 'parameter_map',
      default: {},
    },
    use_pkce: { doc: 'Use PKCE (RFC 7636) in sign-ins.', format: 'boolean', default: true },
    claim_mappings: {
      username: {
        doc: 'Claim that holds the username. A dot descends into an object.',
        format: 'text',
        default: 'preferred_username',
      },
      email: { doc: 'Claim that holds the email address.', format: 'text', default: 'email' },
      groups: { doc: 'Claim that holds the groups.', format: 'text', default: 'groups' },
      full_name: { doc: 'Claim that holds the full name.', format: 'text', default: 'name' },
    },
    groups_separator: {
      doc: 'Separator between groups in a groups claim that is a string. If unset, such a string is one group.',
      format: 'text',
      default: null,
    },
    strip_group_prefix: {
      doc: 'Use only groups with this prefix, and remove it: `/` for the group paths of Keycloak.',
      format: 'text',
      default: null,
    },
    add_username_prefix: {
      doc: 'Prefix for all usernames, so that they cannot collide with the users of another provider.',
      format: 'text',
      default: null,
    },
    custom_headers: {
      doc: 'Headers to send to the provider.',
      format: 'header_map',
      default: {},
      sensitive: true,
    },
    ca_cert: {
      doc: 'CA certificates (PEM file) that the certificate of the provider is verified against.',
      format: 'certificate_file',
      default: null,
    },
    http_proxy: { doc: 'HTTP proxy for calls to the provider.', format: 'url', default: null },
    timeout: { doc: 'Timeout of one call to the provider.', format: 'duration', default: '5s', min: 100, max: 60_000 },
    allow_http: {
      doc: 'Allow plain HTTP to a provider on another machine. Tokens and secrets can then be read in transit.',
      format: 'boolean',
      default: false,
    },
  },
} as const satisfies Section

type Section = { readonly [key: string]: Section | Key }

export type Key = {
  readonly doc: string
  readonly format: FormatName
  readonly default: string | number | boolean | null | readonly string[] | { readonly [key: string]: never }
  /** Masked in all output. It can be read from a file (`…_FILE`), but not from a flag. */
  readonly sensitive?: true
  /** An empty value (`key:`, `""`, an empty variable) is a fault instead of the default: the default would allow more. */
  readonly restrictsAccess?: true
  readonly min?: number
  /** Below 2^31 ms for a duration that a timer uses: Node treats a longer one as 1 ms. */
  readonly max?: number
  /** Value in the example file, where the key is then not commented out. */
  readonly example?: string | readonly string[]
}

type ValueOf<S> = S extends { format: infer F extends FormatName; default: infer D }
  ? FormatValue<F> | (D extends null ? null : never)
  : { readonly [K in keyof S]: ValueOf<S[K]> }

/** The whole configuration: snake_case as in YAML, durations in milliseconds, `null` for keys that are not set. */
export type Config = ValueOf<typeof schema>

export function isKey(node: Section | Key): node is Key {
  return typeof node.format === 'string'
}

/** Every key by its dotted name, in the order of the schema. */
export const keys: ReadonlyMap<string, Key> = new Map(flatten(schema))

/** The dotted name of every section; '' is the top level. */
export const sections: ReadonlySet<string> = new Set(
  [...keys.keys()].flatMap((key) => key.split('.').map((_, index, parts) => parts.slice(0, index).join('.'))),
)

/** `elasticsearch.ca_cert` → `ELASTAUTH_ELASTICSEARCH_CA_CERT` */
export function envNameOf(key: string): string {
  return `ELASTAUTH_${key.toUpperCase().replaceAll('.', '_')}`
}

/** The names of the keys and sections directly below a section; '' is the top level. */
export function childrenOf(section: string): string[] {
  const prefix = section === '' ? '' : `${section}.`
  const descendants = [...keys.keys()].filter((key) => key.startsWith(prefix))
  return [...new Set(descendants.map((key) => key.slice(prefix.length).split('.')[0]!))]
}

function flatten(section: Section, prefix = ''): [string, Key][] {
  return Object.entries(section).flatMap(([name, node]): [string, Key][] =>
    isKey(node) ? [[prefix + name, node]] : flatten(node, `${prefix}${name}.`),
  )
}
