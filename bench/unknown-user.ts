/**
 * Whether the time of a response tells an unknown user from a wrong password (username enumeration). Both alternate within a
 * round, one request at a time. Each request is for another user and from another network, so that no limit of attempts is reached.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'undici'
import { hashPassword } from '../src/providers/users/password-hashing.ts'
import { fieldsOf } from '../test/support/sign-in-form.ts'
import type { Bench, Case, Figures, Program } from './harness.ts'
import { asDeployed, startElastauth, temporaryDirectory } from './programs.ts'

/** Sends one wrong password, and returns the milliseconds until the response has arrived. */
type SignIn = (client: Client, username: string, network: string) => Promise<number>

/** `htpasswd -nbB`, whose cost of 5 is the lowest in use: the shorter the hash, the more another difference would show. */
const bcryptHash = '$2y$05$ZetFpq7u.RN9TgiF.A0IFO6i5oCbtKfEwtF.os808zwmi96NN7NSi'
const longer = 'longer than a wrong password, probability'

export const unknownUserCases: readonly Case[] = [
  { way: 'basic', title: 'Basic', signIn: signInByBasic },
  { way: 'form', title: 'the form', signIn: signInByForm },
].flatMap(({ way, title, signIn }) =>
  ['argon2id', 'bcrypt'].map((kind) => ({
    name: `unknown-user-${way}-${kind}`,
    hasNoWarmUp: true,
    title: `An unknown user by ${title}, ${kind}`,
    prepare: (bench: Bench) => prepare(bench, kind, signIn),
  })),
)

async function prepare(bench: Bench, kind: string, signIn: SignIn): Promise<Program[]> {
  const pairs = bench.size(kind === 'bcrypt' ? 1000 : 200, 5)
  const file = join(temporaryDirectory(bench.cleanup), 'users.yml')
  const hash = kind === 'bcrypt' ? bcryptHash : await hashPassword('correct')
  const names = Array.from({ length: pairs }, (_, i) => `user${i}`)
  writeFileSync(file, `users:\n${names.map((name) => `  ${name}: {password_hash: "${hash}"}\n`).join('')}`, {
    mode: 0o600,
  })
  const flags = { ...asDeployed, 'elasticsearch.dry_run': 'true', auth_provider: 'users', 'users.path': file }
  const noPassword = { env: { ELASTAUTH_ELASTICSEARCH_PASSWORD: '' } }

  /** In a new process, which has counted no attempts. */
  async function measureBoth(): Promise<[known: number[], unknown: number[]]> {
    await using cleanup = new AsyncDisposableStack()
    const { url } = await startElastauth({ cleanup }, flags, noPassword)
    const client = new Client(url)
    cleanup.defer(() => client.close())
    let lastNetwork = 0
    const newNetwork = () => `10.0.${++lastNetwork >> 8}.${lastNetwork & 255}`
    for (let i = 0; i < bench.size(50, 2); i++) await signIn(client, `other${i}`, newNetwork()) // to warm up
    const times: [number[], number[]] = [[], []]
    for (const [i, name] of names.entries()) {
      const usernames = [name, name.replace('user', 'none')] as const
      for (const which of i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
        times[which].push(await signIn(client, usernames[which], newNetwork()))
    }
    return times
  }

  // The harness measures one program after the other; the first of a round measures both.
  let measured: Promise<[number[], number[]]> | undefined
  async function take(): Promise<[number[], number[]]> {
    const taken = measured ?? measureBoth()
    measured = measured === undefined ? taken : undefined
    return taken
  }

  return [
    { name: 'wrong password', measure: async () => quartilesOf((await take())[0]) },
    {
      name: 'unknown user',
      async measure() {
        const [known, unknown] = await take()
        return { ...quartilesOf(unknown), [longer]: superiority(unknown, known) }
      },
      goals: [{ metric: longer, atLeast: 0.45, atMost: 0.55 }],
    },
  ]
}

async function signInByBasic(client: Client, username: string, network: string): Promise<number> {
  const headers = { authorization: `Basic ${btoa(`${username}:wrong`)}`, 'x-forwarded-for': network }
  return timeOf(client, { path: '/', method: 'GET', headers }, 401)
}

async function signInByForm(client: Client, username: string, network: string): Promise<number> {
  const headers = { 'x-forwarded-for': network, 'sec-fetch-site': 'same-origin' }
  const shown = await client.request({ path: '/elastauth/login', method: 'GET', headers })
  const fields = fieldsOf(await shown.body.text())
  fields.set('username', username)
  fields.set('password', 'wrong')
  const cookie = [shown.headers['set-cookie'] ?? []].flat().map((line) => line.split(';')[0]!)
  const form = { ...headers, cookie: cookie.join('; '), 'content-type': 'application/x-www-form-urlencoded' }
  return timeOf(client, { path: '/elastauth/login', method: 'POST', headers: form, body: fields.toString() }, 303)
}

async function timeOf(client: Client, request: Parameters<Client['request']>[0], expected: number): Promise<number> {
  const startedAt = performance.now()
  const { statusCode, body } = await client.request(request)
  await body.dump()
  const time = performance.now() - startedAt
  if (statusCode !== expected) throw new Error(`${request.method} ${request.path}: status ${statusCode}`)
  return time
}

function quartilesOf(times: readonly number[]): Figures {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor(sorted.length * share)]!
  return {
    'median of the response time, ms': at(0.5),
    'lower quartile of the response time, ms': at(0.25),
    'upper quartile of the response time, ms': at(0.75),
  }
}

/** The probability that one of `a` is greater than one of `b`: the statistic of the Mann-Whitney U test. By chance, 0.5. */
export function superiority(a: readonly number[], b: readonly number[]): number {
  const score = (one: number, other: number) => (one > other ? 1 : one === other ? 0.5 : 0)
  return a.reduce((sum, one) => sum + b.reduce((wins, other) => wins + score(one, other), 0), 0) / (a.length * b.length)
}
