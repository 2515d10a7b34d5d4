import { parseAddress } from '../config/addresses.ts'
import type { Config } from '../config/schema.ts'
import type { ElasticsearchOptions } from './es/client.ts'
import type { TlsOptions } from './listeners/tls.ts'
import { readPem } from './pem.ts'
import type { OidcTokensOptions } from './providers/oidc/tokens.ts'
import type { Address, RedisConnection } from './redis/connect.ts'

export function elasticsearchOptions(elasticsearch: Config['elasticsearch']): ElasticsearchOptions {
  const { hosts, username, password, api_key, ca_cert, client_cert, client_key, insecure_skip_verify, timeout } =
    elasticsearch
  return {
    hosts,
    username: username ?? undefined,
    password: password ?? undefined,
    apiKey: api_key ?? undefined,
    ca: readPem(ca_cert),
    cert: readPem(client_cert),
    key: readPem(client_key),
    insecureSkipVerify: insecure_skip_verify,
    timeout,
  }
}

/** @param oidc its rules hold: issuer and client_id are there */
export function oidcTokensOptions(oidc: Config['oidc']): Omit<OidcTokensOptions, 'now' | 'report'> {
  const endpoints = {
    authorization_endpoint: oidc.authorization_endpoint,
    token_endpoint: oidc.token_endpoint,
    userinfo_endpoint: oidc.userinfo_endpoint,
    introspection_endpoint: oidc.introspection_endpoint,
    end_session_endpoint: oidc.end_session_endpoint,
    jwks_uri: oidc.jwks_uri,
  }
  return {
    issuer: oidc.issuer!,
    clientId: oidc.client_id!,
    client: {
      method: oidc.client_auth_method,
      secret: oidc.client_secret ?? undefined,
      privateKey: readPem(oidc.private_key),
      privateKeyId: oidc.private_key_id ?? undefined,
    },
    endpoints: withoutNulls(endpoints),
    login: oidc.login,
    validation: oidc.token_validation,
    validationTtl: oidc.validation_ttl,
    audiences: oidc.audiences,
    algorithms: oidc.algorithms,
    tokenHeader: oidc.token_header ?? undefined,
    claimMappings: oidc.claim_mappings,
    addUsernamePrefix: oidc.add_username_prefix ?? undefined,
    stripGroupPrefix: oidc.strip_group_prefix ?? undefined,
    groupsSeparator: oidc.groups_separator ?? undefined,
    ca: readPem(oidc.ca_cert),
    httpProxy: oidc.http_proxy ?? undefined,
    customHeaders: oidc.custom_headers,
    timeout: oidc.timeout,
    allowHttp: oidc.allow_http,
  }
}

function withoutNulls<K extends string>(given: Record<K, string | null>): Partial<Record<K, string>> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)) as Partial<Record<K, string>>
}

/** For our listeners. */
export function tlsOptions({ cert, key, client_ca, client_auth }: Config['tls']): TlsOptions {
  return { cert: readPem(cert), key: readPem(key), clientCa: readPem(client_ca), clientAuth: client_auth }
}

/** @param cache its rules hold: one way to name the servers, Sentinels with their master */
export function redisConnection(cache: Config['cache']): RedisConnection {
  const url = cache.redis_url === null ? undefined : new URL(cache.redis_url)
  const { redis_ca_cert: ca, redis_client_cert: cert, redis_client_key: key } = cache
  const isTls = cache.redis_tls || ca !== null || cert !== null || url?.protocol === 'rediss:'
  return {
    servers: serversOf(cache, url),
    db: url?.pathname.slice(1) ? Number(url.pathname.slice(1)) : cache.redis_db,
    username: decode(url?.username ?? '') || (cache.redis_username ?? undefined),
    password: decode(url?.password ?? '') || (cache.redis_password ?? undefined),
    tls: isTls ? { ca: readPem(ca), cert: readPem(cert), key: readPem(key) } : undefined,
    timeout: cache.redis_timeout,
  }
}

function serversOf(cache: Config['cache'], url: URL | undefined): RedisConnection['servers'] {
  if (cache.redis_cluster.length > 0) return { kind: 'cluster', addresses: cache.redis_cluster.map(addressOf) }
  if (cache.redis_sentinels.length > 0) {
    return {
      kind: 'sentinels',
      addresses: cache.redis_sentinels.map(addressOf),
      master: cache.redis_sentinel_master!,
      password: cache.redis_sentinel_password ?? undefined,
    }
  }
  if (url === undefined) return { kind: 'one', address: addressOf(cache.redis_host) }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  return { kind: 'one', address: { host, port: Number(url.port || 6379) } }
}

/** A lone per cent sign stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function addressOf(text: string): Address {
  return parseAddress(text)!
}
