import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** `lib` is the server's class path; the others are modules, each with a class loader of its own. */
export const moduleNames = ['lib', 'transport-netty4', 'x-pack-core', 'x-pack-security'] as const
export type ModuleName = (typeof moduleNames)[number]
/** A jar on Maven Central; `size` in bytes. */
export type Artifact = {
  group: string
  artifact: string
  version: string
  size: number
  sha256: string
}
/** One line of jars.json. */
export type Jar = Artifact & { module: ModuleName }

const concurrency = 6
const maxAttempts = 3
const attemptTimeoutMs = 300_000

/**
 * Returns the file of each jar by its hash: in the local Maven repository, or in `store`, downloaded from Maven Central (or
 * `MAVEN_REPOSITORY_URL`). Throws if a jar cannot be downloaded.
 */
export async function fetchJars(jars: readonly Artifact[], store: string): Promise<Map<string, string>> {
  await mkdir(store, { recursive: true })
  const found = new Map<string, string>()
  const missing = new Map<string, Artifact>()
  for (const jar of jars) {
    const file = await findLocally(jar, store)
    if (file) found.set(jar.sha256, file)
    else missing.set(jar.sha256, jar)
  }

  const queue = [...missing.values()].sort((a, b) => b.size - a.size)
  const progress = showProgress('fetching Elasticsearch jars', sumOf(queue))
  const worker = async () => {
    for (let jar = queue.shift(); jar; jar = queue.shift()) {
      found.set(jar.sha256, await download(jar, store, progress.add))
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, worker))
  } finally {
    queue.length = 0 // if one worker fails, the others end after their current jar
    progress.end()
  }
  return found
}

export function fileNameOf(jar: Artifact): string {
  return `${jar.artifact}-${jar.version}.jar`
}

function pathOf(jar: Artifact): string {
  return `${jar.group.replaceAll('.', '/')}/${jar.artifact}/${jar.version}/${fileNameOf(jar)}`
}

function sumOf(jars: readonly Artifact[]): number {
  return jars.reduce((sum, jar) => sum + jar.size, 0)
}

async function findLocally(jar: Artifact, store: string): Promise<string | undefined> {
  const places = [join(store, fileNameOf(jar)), join(homedir(), '.m2', 'repository', ...pathOf(jar).split('/'))]
  for (const place of places) {
    const size = await stat(place).then(
      (found) => found.size,
      () => undefined,
    )
    if (size === jar.size && (await hashOf(place)) === jar.sha256) return place
  }
  return undefined
}

async function download(jar: Artifact, store: string, onBytes: (count: number) => void): Promise<string> {
  const base = (process.env.MAVEN_REPOSITORY_URL || 'https://repo.maven.apache.org/maven2').replace(/\/+$/, '')
  for (let attempt = 1; ; attempt++) {
    let received = 0
    const count = (bytes: number) => {
      received += bytes
      onBytes(bytes)
    }
    try {
      return await downloadOnce(jar, `${base}/${pathOf(jar)}`, join(store, fileNameOf(jar)), count)
    } catch (error) {
      onBytes(-received)
      if (attempt === maxAttempts)
        throw new Error(`cannot download ${pathOf(jar)}: ${reasonOf(error)}`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 500 * attempt))
    }
  }
}

/** Writes to a file of this process's own and renames it after verification, so that no other process reads a partial jar. */
async function downloadOnce(
  jar: Artifact,
  url: string,
  target: string,
  onBytes: (count: number) => void,
): Promise<string> {
  const partial = `${target}.${process.pid}.partial`
  const hash = createHash('sha256')
  const tap = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      onBytes(chunk.length)
      done(null, chunk)
    },
  })
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(attemptTimeoutMs) })
    if (!response.ok || !response.body) throw new Error(`status ${response.status}`)
    await pipeline(Readable.fromWeb(response.body), tap, createWriteStream(partial))
    if (hash.digest('hex') !== jar.sha256) throw new Error('its SHA-256 is not the locked one')
    await rename(partial, target)
    return target
  } finally {
    await rm(partial, { force: true })
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

const bytesPerLine = 10_000_000

/** Shows the bytes downloaded out of `total` on stderr: one line rewritten in place on a terminal, otherwise one line per 10 MB. */
function showProgress(label: string, total: number): { add(bytes: number): void; end(): void } {
  const { stderr } = process
  let done = 0
  let shown = 0
  const text = () => `${label}: ${(done / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB`
  if (total > 0 && !stderr.isTTY) stderr.write(`${text()}\n`)
  return {
    add(bytes) {
      done += bytes
      if (stderr.isTTY) stderr.write(`\r${text()}\x1b[K`)
      else if (done - shown >= bytesPerLine) {
        shown = done
        stderr.write(`${text()}\n`)
      }
    },
    end() {
      if (total === 0) return
      stderr.write(stderr.isTTY ? '\n' : `${text()}\n`)
    },
  }
}
