import type { Elasticsearch } from './elasticsearch/node.ts'
import { type Gateway, startGateway } from './gateway.ts'

/** elastauth as a process before a real node, whose users get the role `viewer` unless the flags say otherwise. */
export function startBefore(
  node: Pick<Elasticsearch, 'url' | 'username' | 'password'>,
  flags: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Gateway> {
  return startGateway({
    flags: { default_roles: 'viewer', 'elasticsearch.hosts': node.url, ...flags },
    env: {
      ELASTAUTH_ELASTICSEARCH_USERNAME: node.username,
      ELASTAUTH_ELASTICSEARCH_PASSWORD: node.password,
      ...env,
    },
  })
}

export type Answer = Readonly<{ status: number; authorization: string | null }>

/** What a forward-auth proxy in front of elastauth gets for this user. */
export async function authorize(gateway: Gateway, username: string, groups = ''): Promise<Answer> {
  const response = await fetch(gateway.url, { headers: { 'Remote-User': username, 'Remote-Groups': groups } })
  await response.arrayBuffer()
  return { status: response.status, authorization: response.headers.get('authorization') }
}

export type Login = Readonly<{ status: number; username?: string; roles?: string[] }>

/** What Elasticsearch says of a credential that was handed out: the only judge of it. */
export async function logIn(node: Pick<Elasticsearch, 'url'>, authorization: string | null): Promise<Login> {
  const response = await fetch(`${node.url}/_security/_authenticate`, {
    headers: { authorization: authorization ?? '' },
  })
  const body = (await response.json()) as { username?: string; roles?: string[] }
  return { status: response.status, ...(body.username && { username: body.username, roles: body.roles ?? [] }) }
}
