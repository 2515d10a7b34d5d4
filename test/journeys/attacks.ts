import assert from 'node:assert/strict'
import type { Page } from 'playwright-core'
import { whoami } from './kibana.ts'
import type { Client } from './trust.ts'

/** A page of Kibana, for users only. */
const path = '/app/home'

/** Headers with which a client may try to become another user. The name `elastic` would prove nothing, because elastauth always rejects it. */
const forgeries: readonly Readonly<Record<string, string>>[] = [
  { 'Remote-User': 'attacker', 'Remote-Groups': 'admins,users' },
  { Remote_User: 'attacker', Remote_Groups: 'admins,users' },
  { 'X-Forwarded-User': 'attacker', 'X-Forwarded-Groups': 'admins,users' },
  { 'Remote-User': 'attacker', 'Remote-Groups': 'admins,users', 'X-Elastauth-Proxy-Secret': 'guessed' },
  { Authorization: `Basic ${btoa('attacker:changeme')}` },
  { Authorization: 'Bearer made-up' },
  { 'es-security-runas-user': 'attacker' },
]

export async function assertForgeriesRejected(client: Client): Promise<void> {
  for (const headers of [...forgeries, { Cookie: '__Host-elastauth-session=made-up; authelia_session=made-up' }]) {
    const status = await client.get(path, headers)
    assert.ok(status >= 300 && status < 500, `${describe(headers)}: GET ${path} responds with ${status}`)
  }
}

/** A forged header is stripped or rejected: either way, the user does not become another one. */
export async function assertForgeriesChangeNothing(page: Page, user: string): Promise<void> {
  for (const headers of forgeries) {
    const { status, text } = await whoami(page, headers)
    const isRejected = status >= 400 && status < 500
    assert.ok(isRejected || (status === 200 && JSON.parse(text).username === user), `${describe(headers)}: ${text}`)
  }
}

export async function assertSessionOver(client: Client, cookie: string): Promise<void> {
  const status = await client.get(path, { cookie })
  assert.ok(status >= 300 && status < 500, `GET ${path} with the old cookies responds with ${status}`)
}

function describe(headers: Readonly<Record<string, string>>): string {
  return Object.keys(headers).join(' and ')
}
