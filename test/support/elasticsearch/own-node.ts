import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Target } from './call-elasticsearch.ts'
import { type Certificate, createCertificateAuthority } from './certificates.ts'
import type { Elasticsearch, Kind, Options } from './node.ts'
import { awaitLogin } from './ready.ts'

/** What a way to run a node is told. `port` 0 picks a free one. */
export type NodeSpec = {
  port: number
  dataDir: string
  /** Nobody wants `dataDir` once this process is gone. */
  isTemporary: boolean
  password: string
  settings: Record<string, string>
  certificate?: Certificate
}
/** What it gives back. `stop` waits until the process is gone. */
export type Running = Target & {
  pid?: number
  stop(): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
}
export type StartNode = (spec: NodeSpec) => Promise<Running>

const readyWithinMs = 120_000

/** A node of this process's own, run by `way`; with its temporary directory, if it needs one. */
export async function startOwnNode(kind: Kind, way: StartNode, options: Options): Promise<Elasticsearch> {
  const authority = options.tls ? createCertificateAuthority() : undefined
  const certificate = authority?.issue('elasticsearch')
  let port = options.port ?? 0
  let temporary: string | undefined
  const forget = () => temporary && rmSync(temporary, { recursive: true, force: true })

  const launch = async () => {
    if (!options.dataDir && !temporary) {
      temporary = await mkdtemp(join(tmpdir(), 'elastauth-elasticsearch-'))
      process.once('exit', forget)
    }
    const { password = 'changeme', settings = {} } = options
    const dataDir = resolve(options.dataDir ?? temporary!)
    const node = await way({
      ...{ port, dataDir, isTemporary: !options.dataDir, password, settings },
      ...(certificate && { certificate }),
    })
    port = Number(new URL(node.url).port)
    return authority ? { ...node, caCert: authority.cert } : node
  }
  const clean = async () => {
    if (temporary) await rm(temporary, { recursive: true, force: true }).catch(() => {})
    temporary = undefined
    process.off('exit', forget)
  }
  let first: Running | undefined
  try {
    first = await launch()
    return createNodeHandle(kind, launch, first, await awaitLogin(first, readyWithinMs), clean)
  } catch (error) {
    await first?.stop()
    await clean()
    throw error
  }
}

/** What the tests hold; `clean` takes temporary data away. */
export function createNodeHandle(
  kind: Kind,
  launch: () => Promise<Running>,
  first: Running,
  version: string,
  clean: () => Promise<void> = async () => {},
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
      if (!keepData) await clean()
    },
    async start() {
      current = await launch()
      await awaitLogin(current, readyWithinMs)
    },
    pause: () => current.pause(),
    resume: () => current.resume(),
  }
}
