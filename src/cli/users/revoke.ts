import { providersOf } from '../../../config/header-presets.ts'
import type { Config } from '../../../config/schema.ts'
import { hasLogin } from '../../app/options/login.ts'
import { isLocked } from '../../auth/credentials/managed-user.ts'
import { asGatewayError, GatewayError } from '../../http/errors.ts'
import { escapeControls } from '../../http/escape-controls.ts'
import { toJson } from '../print.ts'
import type { Connections } from './connect.ts'
import { toIso } from './describe.ts'

type RevokeSwitches = Readonly<{ disable: boolean; apiKeys: boolean; json: boolean; dryRun: boolean }>

type Check = Readonly<{ check: string; ok: boolean; detail: string }>

type Report = Readonly<{
  username: string
  dry_run: boolean
  not_before: string | null
  disabled: boolean
  checks: readonly Check[]
  notes: readonly string[]
}>

/**
 * `elastauth users revoke NAME`: revokes the user, ends sessions and API keys, and then verifies that no credential of the user
 * works. @returns 0 only if all checks hold
 */
export async function revokeUser(
  connections: Connections,
  username: string,
  switches: RevokeSwitches,
  config: Config,
): Promise<0 | 1> {
  const { json, dryRun } = switches
  const run = dryRun ? preview : revoke
  const report = await run(connections, username, switches, config)
  console.log(json ? toJson(report) : toText(report))
  return report.checks.every(({ ok }) => ok) ? 0 : 1
}

async function preview(
  { administration, apiKeys, sessions }: Connections,
  username: string,
  { disable, apiKeys: invalidates }: RevokeSwitches,
  config: Config,
): Promise<Report> {
  const { stored, state } = await administration.find(username)
  const active = (await apiKeys.list(username)).length
  const count = (await sessions?.list(username))?.length
  return {
    ...{ username, dry_run: true, disabled: disable || isLocked(stored), checks: [] },
    not_before: state.not_before === undefined ? null : toIso(state.not_before),
    notes: [
      `would end the sign-ins, tokens and the password (version ${state.version})`,
      ...(disable && !isLocked(stored) ? ['would disable the user'] : []),
      ...(count === undefined ? [] : [`would end ${count} sessions`]),
      invalidates ? `would invalidate ${active} API keys` : `would leave ${active} active API keys`,
      ...notesFor(config, disable || isLocked(stored)),
    ],
  }
}

async function revoke(
  connections: Connections,
  username: string,
  { disable, apiKeys: invalidates }: RevokeSwitches,
  config: Config,
): Promise<Report> {
  const { administration, apiKeys, sessions, directory, keys } = connections
  const { former, current, isStable } = await administration
    .revoke(username, disable)
    .catch((error) => endRemains(error, connections, username, invalidates))
  const notBefore = current.not_before!
  const { sessionsEnded, keysEnded } = await endSessionsAndKeys(connections, username, invalidates)
  const stored = await attempt(() => directory.get(username))
  const isDisabled = stored.value !== undefined && isLocked(stored.value)
  const formerPassword = keys.password(former.key_id, username, former.created, former.version)
  const checks = [
    await checkThat('the former password is rejected', async () => {
      const isRejected = (await directory.authenticate(username, formerPassword)) === undefined
      return { ok: isRejected, detail: isRejected ? '' : 'Elasticsearch still accepts it: run this again' }
    }),
    await checkThat('the time of the revocation is stored', async () => {
      const state = resultOf(stored)?.metadata.elastauth as { not_before?: unknown } | undefined
      const isStored = isStable && typeof state?.not_before === 'number' && state.not_before >= notBefore
      return { ok: isStored, detail: isStored ? toIso(notBefore) : 'something keeps writing the user: run this again' }
    }),
    disable &&
      (await checkThat('the user is disabled', async () => {
        const found = resultOf(stored)
        const ok = found !== undefined && isLocked(found)
        return { ok, detail: ok ? '' : 'something has enabled the user: run this again' }
      })),
    await checkThat('no API key is active', async () => {
      const invalidated = keysEnded && resultOf(keysEnded)
      const active = await apiKeys.list(username)
      return { ok: active.length === 0, detail: describeKeys(active, invalidated) }
    }),
    sessions &&
      (await checkThat('no session is in Redis', async () => {
        const ended = resultOf(sessionsEnded!)
        const { length } = await sessions.list(username)
        return { ok: length === 0, detail: length === 0 ? `${ended} ended` : `${length} ${newerSessions}` }
      })),
  ].filter((check) => check !== false && check !== undefined)
  return {
    ...{ username, dry_run: false, disabled: isDisabled, checks, notes: notesFor(config, isDisabled) },
    not_before: toIso(notBefore),
  }
}

/**
 * A user who was deleted, or has not requested a credential yet, may have sessions, and Elasticsearch accepts the API keys of
 * deleted users. Always rejects.
 */
async function endRemains(
  error: unknown,
  connections: Connections,
  username: string,
  invalidates: boolean,
): Promise<never> {
  const { code, detail } = asGatewayError(error)
  if (code !== 'not_found') throw error
  const { sessionsEnded, keysEnded } = await endSessionsAndKeys(connections, username, invalidates)
  const what = [
    ...(sessionsEnded ? [describeEnd('sessions ended', sessionsEnded)] : []),
    ...(keysEnded ? [describeEnd('API keys invalidated', keysEnded)] : []),
  ]
  throw new GatewayError('not_found', [detail, ...what].join('; '))
}

/** A failure must not stop the rest. */
async function endSessionsAndKeys({ sessions, apiKeys }: Connections, username: string, invalidates: boolean) {
  const sessionsEnded = sessions && (await attempt(() => sessions.endAll(username)))
  const keysEnded = invalidates ? await attempt(() => apiKeys.invalidateAll(username)) : undefined
  return { sessionsEnded, keysEnded }
}

function describeEnd(what: string, { value, error }: Attempt<number>): string {
  return error ? `no ${what}: ${asGatewayError(error).detail}` : `${value} ${what}`
}

const newerSessions =
  'from sign-ins after the revocation: disable the account at the identity provider, or use --disable'

type Attempt<T> = Readonly<{ value?: T; error?: unknown }>

async function attempt<T>(work: () => Promise<T>): Promise<Attempt<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

/** Throws the error of a failed attempt. */
function resultOf<T>({ value, error }: Attempt<T>): T | undefined {
  if (error !== undefined) throw error
  return value
}

async function checkThat(check: string, work: () => Promise<Omit<Check, 'check'>>): Promise<Check> {
  const { value, error } = await attempt(work)
  return { check, ...(value ?? { ok: false, detail: `not checked: ${asGatewayError(error).detail}` }) }
}

const maxNamed = 5

function describeKeys(active: readonly Readonly<{ name: string }>[], invalidated: number | undefined): string {
  if (active.length === 0) return invalidated === undefined ? '' : `${invalidated} invalidated`
  const names = active.slice(0, maxNamed).map(({ name }) => name)
  const more = active.length > maxNamed ? ' and others' : ''
  return `${active.length} active (${names.join(', ')}${more}): run this again with --api-keys, or invalidate them in Kibana`
}

/** What a revocation alone does not end. */
function notesFor(config: Config, isDisabled: boolean): string[] {
  const providers = providersOf(config)
  const byRequest = providers.filter((name) => name !== 'oidc' && name !== 'elasticsearch')
  return [
    ...(isDisabled || byRequest.length === 0
      ? []
      : [
          `the person is identified by ${byRequest.join(' and ')} in each request, so the next one is accepted: use --disable, or remove the person there`,
        ]),
    ...(isDisabled
      ? []
      : ['the person can sign in again: use --disable, or disable the account at the identity provider']),
    ...(config.cache.type === 'redis'
      ? []
      : [
          `without Redis, each replica notices at its next check of the credential (cache.revalidate, ${config.cache.revalidate / 1000} s); until then it may return the former password, which Elasticsearch rejects`,
        ]),
    ...(hasLogin(config) && config.cache.type !== 'redis'
      ? ['sessions are in the memory of the replicas, which end them when they notice']
      : []),
  ]
}

function toText({ username, dry_run, not_before, disabled, checks, notes }: Report): string {
  const what = dry_run ? 'nothing was changed' : `revoked at ${not_before}${disabled ? ', disabled' : ''}`
  const lines = [
    `${username}: ${what}`,
    ...checks.map(({ check, ok, detail }) => `${ok ? '✓' : '✗'} ${check}${detail === '' ? '' : `: ${detail}`}`),
    ...notes.map((note) => `- ${note}`),
  ]
  return lines.map(escapeControls).join('\n')
}
