/** Large bodies through proxy mode, and what they do to its memory. */
import { once } from 'node:events'
import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { residentMegabytes, trackPeakResidentMegabytes } from '../test/support/resident-memory.ts'
import type { Bench, Case, Goal, Program } from './harness.ts'
import * as programs from './programs.ts'
import { dispatch, quiet, quietName, type Running } from './programs.ts'
import { identity } from './requests.ts'

const upload = '100 MB up, MB per second'
const download = '1 GB down, MB per second'
const growth = 'growth of the resident memory since the start, MB'

export const bodyCases: readonly Case[] = [
  { name: 'bodies', title: 'Proxy mode, large bodies', hasNoWarmUp: true, prepare: prepareBodies },
  { name: 'bodies-tls', title: 'Proxy mode, large bodies over TLS', hasNoWarmUp: true, prepare: prepareBodiesOverTls },
]

async function prepareBodies(bench: Bench): Promise<Program[]> {
  const upstream = await programs.startServer(bench, 'upstream', '', { isLoad: true })
  const nginx = await programs.startNginx(bench, upstream)
  const goals = nginx === undefined ? [] : [upload, download].map((metric) => ({ metric, to: 'nginx', atLeast: 0.8 }))
  return [
    measured(bench, dispatch, await programs.startServer(bench, dispatch, upstream.url)),
    measured(bench, quietName, await programs.startElastauth(bench, programs.proxyFlags(upstream, quiet)), goals),
    nginx ? measured(bench, 'nginx', nginx) : { name: 'nginx', notShown: 'it is not installed' },
  ]
}

async function prepareBodiesOverTls(bench: Bench): Promise<Program[]> {
  const upstream = await programs.startServer(bench, 'upstream', '', { isLoad: true })
  const { cert, key } = programs.createCertificate(bench)
  const tls = { env: { TLS_CERT: cert, TLS_KEY: key }, scheme: 'https' }
  const flags = { ...quiet, listen: 'https://', 'tls.cert': cert, 'tls.key': key }
  return [
    measured(bench, dispatch, await programs.startServer(bench, dispatch, upstream.url, tls)),
    measured(bench, quietName, await programs.startElastauth(bench, programs.proxyFlags(upstream, flags))),
  ]
}

/** The memory may grow with the first bodies, but not with every further one. */
function measured({ size }: Bench, name: string, { url, pid }: Running, goals: readonly Goal[] = []): Program {
  const atStart = residentMegabytes(pid)
  return {
    name,
    goals: name === quietName ? [...goals, { metric: growth, atMost: 64 }] : goals,
    async measure() {
      const stopTracking = trackPeakResidentMegabytes(pid)
      const rates = {
        [upload]: await rateOf(send, url, size(100, 2)),
        [download]: await rateOf(receive, url, size(1024, 4)),
      }
      return { ...rates, [growth]: stopTracking() - atStart }
    },
  }
}

async function rateOf(transfer: typeof send, url: string, megabytes: number): Promise<number> {
  const startedAt = performance.now()
  const bytes = await transfer(url, megabytes)
  if (bytes !== megabytes * 2 ** 20) throw new Error(`${bytes} bytes arrived`)
  return megabytes / ((performance.now() - startedAt) / 1000)
}

/** @returns the number of bytes that the upstream has received */
async function send(url: string, megabytes: number): Promise<number> {
  const outgoing = open(`${url}/_bulk`, 'POST')
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (let i = 0; i < megabytes * 16; i++) if (!outgoing.write(piece)) await once(outgoing, 'drain')
  outgoing.end()
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of message) text += chunk
  return Number(text)
}

/** @returns the number of bytes that have arrived */
async function receive(url: string, megabytes: number): Promise<number> {
  const outgoing = open(`${url}/${megabytes}`, 'GET').end()
  const [message] = (await once(outgoing, 'response')) as [IncomingMessage]
  let bytes = 0
  for await (const chunk of message) bytes += chunk.length
  return bytes
}

function open(url: string, method: string) {
  const request = url.startsWith('https:') ? requestHttps : requestHttp
  return request(url, { method, headers: identity, rejectUnauthorized: false })
}
