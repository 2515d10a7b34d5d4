import type { FormatName, FormatValue } from './formats/registry.ts'

/**
 * Every configuration key, once. Validation, defaults, environment names, flags, the example file, the editors' JSON
 * schema and docs/configuration.md all come from here. Defaults are spelled as in YAML; `null` means not set.
 */
export const schema = {
  auth_provider: { doc: 'Who says who the user is.', format: 'auth_provider', default: 'authelia' },
  auth_providers: {
    doc: 'Several, in place of `auth_provider`: the first one that a request has something for decides.',
    format: 'auth_provider_list',
    default: [],
  },
  secret_key: {
    doc: 'The key all passwords are derived from: 64 hex digits, the same on every replica. Required.',
    format: 'secret_key',
    default: null,
    sensitive: true,
    example: 'your-64-char-hex-key',
  },
  previous_secret_keys: {
    doc: 'Former keys. Users under one of them are served until their next rotation.',
    format: 'secret_key_list',
    default: [],
    sensitive: true,
  },
  listen: {
    doc: 'Address to listen on, or a list: `:5000` is all interfaces, `unix:/path` a socket; `http://` or `https://` before it says which. See docs/listeners.md.',
    format: 'listen_list',
    default: '127.0.0.1:5000',
  },
  listen_mode: { doc: 'Permissions of unix sockets: octal, in quotes.', format: 'file_mode', default: '0660' },
  tls: {
    cert: {
      doc: 'Our certificate (PEM file), with the intermediate ones after it. With it, listeners speak TLS unless they say http://.',
      format: 'certificate_file',
      default: null,
    },
    key: { doc: 'Its private key (PEM file).', format: 'private_key_file', default: null },
    client_ca: {
      doc: 'CA certificates (PEM file) to verify client certificates with.',
      format: 'certificate_file',
      default: null,
    },
    client_auth: {
      doc: 'Whether clients are asked for a certificate, and turned away without a good one.',
      format: 'client_auth',
      default: 'none',
    },
    client_names: {
      doc: 'If set, only certificates with one of these names (subject alternative names or common name, whole) are a proof for trusted_proxies.',
      format: 'text_list',
      default: [],
    },
  },
  log_level: { doc: 'The least severe level to log.', format: 'log_level', default: 'info' },
  log_format: { doc: '`auto` is text on a terminal, else JSON (ECS).', format: 'log_format', default: 'auto' },
  enable_metrics: { doc: 'Serve Prometheus metrics at /elastauth/metrics.', format: 'boolean', default: false },
  enableOtel: { doc: 'Accepted for compatibility; traces are not exported.', format: 'boolean', default: false },
  default_roles: {
    doc: 'Elasticsearch roles of users whose groups map to none. Never grant more than a mapped group does: a lost groups header looks the same as a user without groups.',
    format: 'role_list',
    default: [],
    example: ['kibana_user'],
  },
  group_mappings: {
    doc: 'Roles by group; `*` and `{group}` may be used, e.g. `team-*: ["{group}-reader"]`. Group names have no case.',
    format: 'group_mappings',
    default: {},
  },
  enable_group_whitelist: {
    doc: 'Let in only members of a group in `group_whitelist`.',
    format: 'boolean',
    default: false,
    restrictsAccess: true,
  },
  group_whitelist: { doc: 'The groups to let in.', format: 'text_list', default: [], restrictsAccess: true },
  extend_cache: {
    doc: 'Push an active user’s credential’s end on, at most to 24 h of age.',
    format: 'boolean',
    default: false,
  },
  trusted_proxies: {
    doc: 'Peers that may assert identity headers: networks, addresses, or loopback, private, unix (whoever may open the socket), client_cert (whoever shows a certificate of `tls.client_ca`), all, none.',
    format: 'peer_list',
    default: ['loopback', 'private'],
    restrictsAccess: true,
  },
  proxy_secret: {
    doc: 'If set, the proxy must send it in `proxy_secret_header`; at least 16 characters.',
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
  admin_roles: { doc: 'Roles that may read /elastauth/config from another machine.', format: 'role_list', default: [] },
  shutdown_timeout: {
    doc: 'How long requests may finish after SIGTERM.',
    format: 'duration',
    default: '10s',
    max: 3_600_000,
  },
  max_connections: {
    doc: 'Maximum of concurrent client connections; further ones are closed. On Linux each needs a file descriptor, and two in proxy mode. Lowered to what half of the heap has room for (320 KiB each; docs/listeners.md).',
    format: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
  },
  forward_auth: {
    profile: {
      doc: 'The conventions of the proxy. `nginx` responds with 403 where `generic` responds with 400 or 404, which nginx would turn into 500, and reads the original request from `X-Original-URL` and `X-Original-Method`; `generic` reads it from `X-Forwarded-*`. Below `path_prefix` it is read from the request line.',
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
      doc: 'How long the session of somebody who has logged in may lie unused.',
      format: 'duration',
      default: '8h',
      min: 1000,
    },
    lifetime: { doc: 'How long a session lives at the most.', format: 'duration', default: '24h', min: 1000 },
    grace: {
      doc: 'How long after its token’s end a session works on while the provider cannot be reached.',
      format: 'duration',
      default: '5m',
    },
  },
  headers: {
    username: {
      doc: 'Header with the username, in place of the provider’s own.',
      format: 'header_name',
      default: null,
    },
    groups: { doc: 'Header with the groups.', format: 'header_name', default: null },
    email: { doc: 'Header with the e-mail address.', format: 'header_name', default: null },
    name: { doc: 'Header with the full name.', format: 'header_name', default: null },
    groups_separator: {
      doc: 'What stands between two groups, in place of the provider’s own.',
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
      doc: 'The one user of `auth_provider: static` (local development).',
      format: 'username',
      default: null,
    },
    groups: { doc: 'That user’s groups.', format: 'group_list', default: [] },
    email: { doc: 'That user’s e-mail address.', format: 'email', default: null },
    name: { doc: 'That user’s full name.', format: 'full_name', default: null },
    allow_remote: {
      doc: 'Allow a listener others can reach: everybody is that user then.',
      format: 'boolean',
      default: false,
    },
  },
  elasticsearch: {
    hosts: {
      doc: 'Elasticsearch nodes.',
      format: 'url_list',
      default: ['http://127.0.0.1:9200'],
      example: ['https://elasticsearch:9200'],
    },
    username: {
      doc: 'Service account that manages users.',
      format: 'basic_username',
      default: null,
      example: 'elastic',
    },
    password: { doc: 'Its password.', format: 'text', default: null, sensitive: true, example: 'changeme' },
    api_key: { doc: 'API key, in place of username and password.', format: 'text', default: null, sensitive: true },
    ca_cert: {
      doc: 'CA certificates (PEM file) to verify Elasticsearch with.',
      format: 'certificate_file',
      default: null,
    },
    client_cert: { doc: 'Client certificate (PEM file).', format: 'certificate_file', default: null },
    client_key: { doc: 'Its private key (PEM file).', format: 'private_key_file', default: null },
    insecure_skip_verify: { doc: 'Do not verify the certificate. For development.', format: 'boolean', default: false },
    timeout: {
      doc: 'Timeout of one call, including retries on other hosts and the whole response. In addition, a call may wait up to twice as long for one of 16 connections per host.',
      format: 'duration',
      default: '10s',
      min: 1,
      max: 3_600_000,
    },
    password_hashing: {
      doc: "Who hashes users' passwords: with `pbkdf2_1000` elastauth does, which makes new users cheap for Elasticsearch; with `server` Elasticsearch does, by its own setting, e.g. for a FIPS policy.",
      format: 'password_hashing',
      default: 'pbkdf2_1000',
    },
    dry_run: {
      doc: 'Neither read nor write Elasticsearch; still answer with a header.',
      format: 'boolean',
      default: false,
    },
    adopt_existing_users: {
      doc: 'Take over users of the same name that elastauth did not create.',
      format: 'boolean',
      default: false,
    },
    rekey: {
      doc: 'Whether to take over a user that was written with an unknown secret key: `allow` (once, with a warning) or `never`. See docs/credentials.md.',
      format: 'rekey',
      default: 'allow',
    },
  },
  cache: {
    type: {
      doc: 'Where credentials’ state is shared. `file` is accepted as `memory`.',
      format: 'cache_type',
      default: 'memory',
    },
    expiration: { doc: 'How long a password lives.', format: 'duration', default: '1h', min: 1000, max: 2_592_000_000 },
    max_entries: { doc: 'Users kept in memory.', format: 'integer', default: 100_000, min: 1, max: 10_000_000 },
    revalidate: {
      doc: 'Age after which a credential in memory is checked in the background.',
      format: 'duration',
      default: '60s',
      min: 1000,
    },
    rotation_pause: {
      doc: 'Pause between the old password’s last use and the new one: the clock difference replicas may have.',
      format: 'duration',
      default: '1s',
      max: 10_000,
    },
    path: { doc: 'Accepted for compatibility (the file cache’s directory); not used.', format: 'text', default: null },
    redis_host: { doc: 'Redis server.', format: 'host_port', default: 'localhost:6379' },
    redis_db: { doc: 'Redis database.', format: 'integer', default: 0, max: 65_535 },
    redis_url: {
      doc: 'redis:// or rediss:// URL, in place of `redis_host`, `redis_db` and the credentials.',
      format: 'redis_url',
      default: null,
      sensitive: true,
    },
    redis_username: { doc: 'Redis user (ACL).', format: 'text', default: null },
    redis_password: { doc: 'Redis password.', format: 'text', default: null, sensitive: true },
    redis_sentinels: { doc: 'Redis Sentinels, in place of `redis_host`.', format: 'host_port_list', default: [] },
    redis_sentinel_password: {
      doc: 'Password of the Sentinels, where they have their own.',
      format: 'text',
      default: null,
      sensitive: true,
    },
    redis_sentinel_master: { doc: 'Name of the master the Sentinels watch.', format: 'text', default: null },
    redis_cluster: { doc: 'Redis Cluster nodes, in place of `redis_host`.', format: 'host_port_list', default: [] },
    redis_tls: {
      doc: 'Use TLS; rediss://, `redis_ca_cert` and `redis_client_cert` imply it.',
      format: 'boolean',
      default: false,
    },
    redis_ca_cert: {
      doc: 'CA certificates (PEM file) to verify Redis with.',
      format: 'certificate_file',
      default: null,
    },
    redis_client_cert: { doc: 'Client certificate (PEM file).', format: 'certificate_file', default: null },
    redis_client_key: { doc: 'Its private key (PEM file).', format: 'private_key_file', default: null },
    redis_timeout: {
      doc: 'Limit of one call to Redis; what takes longer is done without it.',
      format: 'duration',
      default: '250ms',
      min: 10,
      max: 10_000,
    },
  },
  proxy: {
    enabled: {
      doc: 'Proxy mode: pass authenticated requests on instead of answering forward auth.',
      format: 'boolean',
      default: false,
    },
    elasticsearch_url: { doc: 'Where to, if no route takes a request.', format: 'url', default: null },
    timeout: {
      doc: 'Limit until the head of an upstream’s answer, and for silence after it; none for the whole.',
      format: 'duration',
      default: '30s',
      min: 1,
      max: 3_600_000,
    },
    client_timeout: {
      doc: 'How long a client may take nothing of an answer before it is cut off.',
      format: 'duration',
      default: '2m',
      min: 1,
      max: 3_600_000,
    },
    max_idle_conns: {
      doc: 'Idle connections kept open to each upstream.',
      format: 'integer',
      default: 100,
      min: 1,
      max: 100_000,
    },
    idle_conn_timeout: {
      doc: 'How long an idle connection is kept.',
      format: 'duration',
      default: '90s',
      min: 1,
      max: 86_400_000,
    },
    routes: {
      doc: 'Upstreams by host and path: maps of host, path, upstreams, strip_path, auth (required or none), headers, tls.',
      format: 'route_list',
      default: [],
    },
    tls: {
      enabled: { doc: 'Use the TLS settings below for upstreams.', format: 'boolean', default: false },
      insecure_skip_verify: {
        doc: 'Do not verify upstreams’ certificates. For development.',
        format: 'boolean',
        default: false,
      },
      ca_cert: {
        doc: 'CA certificates (PEM file) to verify upstreams with.',
        format: 'certificate_file',
        default: null,
      },
      client_cert: { doc: 'Client certificate (PEM file).', format: 'certificate_file', default: null },
      client_key: { doc: 'Its private key (PEM file).', format: 'private_key_file', default: null },
    },
  },
  oidc: {
    issuer: {
      doc: 'The provider’s issuer URL, spelled as the provider does; its endpoints are discovered from it.',
      format: 'url',
      default: null,
    },
    client_id: { doc: 'Client ID; tokens must be meant for it.', format: 'text', default: null },
    client_secret: { doc: 'Client secret.', format: 'text', default: null, sensitive: true },
    login: {
      doc: 'Send people who are not signed in to the provider. `false`: tokens only.',
      format: 'boolean',
      default: true,
    },
    authorization_endpoint: { doc: 'In place of the discovered one.', format: 'url', default: null },
    token_endpoint: { doc: 'In place of the discovered one.', format: 'url', default: null },
    userinfo_endpoint: { doc: 'In place of the discovered one.', format: 'url', default: null },
    introspection_endpoint: { doc: 'In place of the discovered one.', format: 'url', default: null },
    jwks_uri: { doc: 'In place of the discovered one.', format: 'url', default: null },
    end_session_endpoint: { doc: 'In place of the discovered one.', format: 'url', default: null },
    redirect_url: {
      doc: 'Where the provider sends people back to, as registered there: `https://<host>/elastauth/callback`. Unset, the host that was asked for.',
      format: 'url',
      default: null,
    },
    post_logout_redirect_url: {
      doc: 'Where the provider sends people after a logout, as registered there, e.g. `https://<host>/elastauth/signed-out`.',
      format: 'url',
      default: null,
    },
    scopes: { doc: 'Scopes to ask for.', format: 'text_list', default: ['openid', 'profile', 'email', 'groups'] },
    client_auth_method: {
      doc: 'How the client authenticates to the provider.',
      format: 'client_auth_method',
      default: 'client_secret_basic',
    },
    private_key: {
      doc: 'Private key (PEM file: RSA, EC or Ed25519) for `client_auth_method: private_key_jwt`.',
      format: 'private_key_file',
      default: null,
    },
    private_key_id: { doc: 'Key ID (`kid`) by which the provider knows it.', format: 'text', default: null },
    token_validation: {
      doc: 'Tokens are checked by signature, by asking the userinfo endpoint, by both, or by introspection.',
      format: 'token_validation',
      default: 'jwks',
    },
    validation_ttl: {
      doc: 'How long an answer of userinfo or introspection is believed.',
      format: 'duration',
      default: '30s',
      max: 300_000,
    },
    audiences: {
      doc: 'For whom tokens may be meant, besides `client_id`.',
      format: 'text_list',
      default: [],
    },
    algorithms: {
      doc: 'Signature algorithms that tokens may have; asymmetric ones only.',
      format: 'signature_algorithm_list',
      default: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
    },
    token_header: {
      doc: 'Another header that may carry a token, besides `Authorization: Bearer`, e.g. Cf-Access-Jwt-Assertion.',
      format: 'header_name',
      default: null,
    },
    authorization_parameters: {
      doc: 'More parameters of the authorization request, e.g. access_type: offline (Google), prompt, audience (Auth0).',
      format: 'parameter_map',
      default: {},
    },
    use_pkce: { doc: 'Use PKCE.', format: 'boolean', default: true },
    claim_mappings: {
      username: {
        doc: 'Claim with the username; dots go into objects.',
        format: 'text',
        default: 'preferred_username',
      },
      email: { doc: 'Claim with the e-mail address.', format: 'text', default: 'email' },
      groups: { doc: 'Claim with the groups.', format: 'text', default: 'groups' },
      full_name: { doc: 'Claim with the full name.', format: 'text', default: 'name' },
    },
    groups_separator: {
      doc: 'What stands between two groups, where they come as one text; without it such a text is one group.',
      format: 'text',
      default: null,
    },
    strip_group_prefix: {
      doc: 'Only groups that begin with it count, and they count without it: `/` for Keycloak’s paths.',
      format: 'text',
      default: null,
    },
    add_username_prefix: {
      doc: 'Put before each username, so that nobody is the namesake of another provider’s user.',
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
      doc: 'CA certificates (PEM file) to verify the provider with.',
      format: 'certificate_file',
      default: null,
    },
    http_proxy: { doc: 'HTTP proxy on the way to the provider.', format: 'url', default: null },
    timeout: { doc: 'Limit of one call to the provider.', format: 'duration', default: '5s', min: 100, max: 60_000 },
    allow_http: {
      doc: 'Allow a provider on another machine without https: what passes can be read on the way.',
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
  /** Masked wherever it is shown; may come from a file (`…_FILE`), never from a flag. */
  readonly sensitive?: true
  /** Restricts access: an empty value (`key:`, `""`, an empty variable) is a fault and does not mean the default. */
  readonly restrictsAccess?: true
  readonly min?: number
  /** Below 2^31 ms for a duration that reaches a timer: Node takes a longer one for 1 ms. */
  readonly max?: number
  /** Stands, not commented out, in the example file. */
  readonly example?: string | readonly string[]
}

type ValueOf<S> = S extends { format: infer F extends FormatName; default: infer D }
  ? FormatValue<F> | (D extends null ? null : never)
  : { readonly [K in keyof S]: ValueOf<S[K]> }

/** The whole configuration: snake_case as in YAML, durations in milliseconds, `null` where nothing is set. */
export type Config = ValueOf<typeof schema>

export function isKey(node: Section | Key): node is Key {
  return typeof node.format === 'string'
}

/** Every key by its dotted name, in the schema's order. */
export const keys: ReadonlyMap<string, Key> = new Map(flatten(schema))

/** Every section's dotted name. */
export const sections: ReadonlySet<string> = new Set(
  [...keys.keys()].flatMap((key) => key.split('.').map((_, index, parts) => parts.slice(0, index).join('.'))),
)

/** `elasticsearch.ca_cert` → `ELASTAUTH_ELASTICSEARCH_CA_CERT` */
export function envNameOf(key: string): string {
  return `ELASTAUTH_${key.toUpperCase().replaceAll('.', '_')}`
}

/** The keys and sections directly below a section; '' is the top. */
export function childrenOf(section: string): string[] {
  const prefix = section === '' ? '' : `${section}.`
  const below = [...keys.keys()].filter((key) => key.startsWith(prefix))
  return [...new Set(below.map((key) => key.slice(prefix.length).split('.')[0]!))]
}

function flatten(section: Section, prefix = ''): [string, Key][] {
  return Object.entries(section).flatMap(([name, node]): [string, Key][] =>
    isKey(node) ? [[prefix + name, node]] : flatten(node, `${prefix}${name}.`),
  )
}
