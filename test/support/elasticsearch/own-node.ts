import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { callElasticsearch, type Target } from './call-elasticsearch.ts'
import { type Certificate, createCertificateAuthority } from './certificates.ts'
import type { Elasticsearch, Kind, Options } from './node.ts'

/** The options for starting a node. `port` 0 selects a free one. */
export type NodeSpec = {
  port: number
  dataDir: string
  /** Whether `dataDir` is removed when this process ends. */
  isTemporary: boolean
  password: string
  settings: Record<string, string>
  certificate?: Certificate
}
/** A node that runs. `stop` waits until its process has ended. */
export type Running = Target & {
  pid?: number
  stop(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
}
export type StartNode = (spec: NodeSpec) => Promise<Running>

const readyTimeoutMs = 120_000

/** Starts a node of this process's own; with a temporary directory unless the options name one. */
export async function startOwnNode(kind: Kind, startNode: StartNode, options: Options): Promise<Elasticsearch> {
  const authority = options.tls ? createCertificateAuthority() : undefined
  const certificate = authority?.issue('elasticsearch')
  let port = options.port ?? 0
  let temporary: string | undefined
  const removeTemporary = () => temporary && rmSync(temporary, { recursive: true, force: true })

  const launch = async () => {
    if (!options.dataDir && !temporary) {
      temporary = await mkdtemp(join(tmpdir(), 'elastauth-elasticsearch-'))
      process.once('exit', removeTemporary)
    }
    const { password = 'changeme', settings = {} } = options
    const dataDir = resolve(options.dataDir ?? temporary!)
    const node = await startNode({
      ...{ port, dataDir, isTemporary: !options.dataDir, password, settings },
      ...(certificate && { certificate }),
    })
    port = Number(new URL(node.url).port)
    return authority ? { ...node, caCert: authority.cert } : node
  }
  const cleanUp = async () => {
    if (temporary) await rm(temporary, { recursive: true, force: true }).catch(() => {})
    temporary = undefined
    process.off('exit', removeTemporary)
  }
  let first: Running | undefined
  try {
    first = await launch()
    return createNodeHandle(kind, launch, first, await waitForLogin(first, readyTimeoutMs), cleanUp)
  } catch (error) {
    await first?.stop()
    await cleanUp()
    throw error
  }
}

/** The node as tests use it; `cleanUp` removes temporary data. */
export function createNodeHandle(
  kind: Kind,
  launch: () => Promise<Running>,
  first: Running,
  version: string,
  cleanUp: () => Promise<void> = async () => {},
): Elasticsearch {
  let current = first
  const { url, username, password, caCert } = first
  return {
    ...{ kind, version, url, username, password },
    ...(caCert !== undefined && { caCert }),
    get pid() {
      return current.pid
    },
    async stop({ keepData = false } = {}) {
      await current.stop()
      if (!keepData) await cleanUp()
    },
    async start() {
      current = await launch()
      await waitForLogin(current, readyTimeoutMs)
    },
    pause: () => current.pause(),
    resume: () => current.resume(),
  }
}

/** Waits until `elastic` can log in, which requires an active `.security` index, and returns the version. */
export async function waitForLogin(node: Target, timeoutMs: number): Promise<string> {
  const end = Date.now() + timeoutMs
  for (;;) {
    let problem: string
    try {
      const login = await callElasticsearch(node, '/_security/_authenticate', { timeoutMs: 5000 })
      const banner = login.status === 200 ? await callElasticsearch(node, '/') : login
      if (banner.status === 200) return banner.body.version.number
      problem = `status ${banner.status}`
    } catch (error) {
      problem = (error as NodeJS.ErrnoException).code ?? String(error)
    }
    if (Date.now() > end) throw new Error(`${new URL(node.url).origin}: ${node.username} cannot log in: ${problem}`)
    await new Promise((wake) => setTimeout(wake, 250))
  }
}
