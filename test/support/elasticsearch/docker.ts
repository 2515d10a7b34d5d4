import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findFreePort } from '../port.ts'
import type { NodeSpec, Running } from './own-node.ts'
import { majors, readLock, requestedMajor } from './versions.ts'

const run = promisify(execFile)
const image = () =>
  process.env.ELASTICSEARCH_IMAGE ||
  `docker.elastic.co/elasticsearch/elasticsearch:${readLock(requestedMajor() ?? majors[0]).version}`
const inside = { data: '/usr/share/elasticsearch/data', config: '/usr/share/elasticsearch/config' }
const label = 'elastauth.test.parent'
const owner = (pid: number | string) => `${hostname()}:${pid}`

/** The reason why no Docker engine is available; undefined if one is. */
export async function findDockerProblem(): Promise<string | undefined> {
  try {
    await run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeout: 10_000 })
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'no docker command'
    return 'no Docker engine responds to `docker info`'
  }
}

/** Runs a node from Elastic's image (or `ELASTICSEARCH_IMAGE`), reachable on 127.0.0.1 only. */
export async function startOnDocker(spec: NodeSpec): Promise<Running> {
  await removeAbandoned()
  const port = spec.port || (await findFreePort()) // Docker would choose another one at each start
  const data = join(spec.dataDir, 'data')
  await mkdir(data, { recursive: true })
  await chmod(data, 0o777) // the image runs as another user
  const settings: Record<string, string> = {
    'discovery.type': 'single-node',
    'cluster.routing.allocation.disk.threshold_enabled': 'false',
    'xpack.security.enabled': 'true',
    'xpack.security.http.ssl.enabled': String(spec.certificate !== undefined),
    'xpack.ml.enabled': 'false',
    'ingest.geoip.downloader.enabled': 'false',
    ...spec.settings,
  }
  const mounts = ['-v', `${data}:${inside.data}`]
  if (spec.certificate) {
    for (const [file, content, setting] of [
      ['http.crt', spec.certificate.cert, 'certificate'],
      ['http.key', spec.certificate.key, 'key'],
    ] as const) {
      await writeFile(join(spec.dataDir, file), content, { mode: 0o644 }) // readable for the image's user
      mounts.push('-v', `${join(spec.dataDir, file)}:${inside.config}/${file}:ro`)
      settings[`xpack.security.http.ssl.${setting}`] = `${inside.config}/${file}`
    }
  }
  const publish = ['-p', `127.0.0.1:${port}:9200`, '--label', `${label}=${owner(process.pid)}`]
  const environment = Object.entries({ ES_JAVA_OPTS: '-Xms1g -Xmx1g', ...settings }).flatMap((pair) => [
    '-e',
    pair.join('='),
  ])
  const command = ['run', '-d', ...publish, ...mounts, ...environment, '-e', 'ELASTIC_PASSWORD', image()]
  const env = { ...process.env, ELASTIC_PASSWORD: spec.password } // not on the command line, where `ps` shows it
  const { stdout } = await run('docker', command, { env })
  const id = stdout.trim()
  const remove = () => void spawnSync('docker', ['rm', '-f', '-v', id])
  process.once('exit', remove)

  return {
    url: `${spec.certificate ? 'https' : 'http'}://127.0.0.1:${port}`,
    username: 'elastic',
    password: spec.password,
    stop: async () => {
      process.off('exit', remove)
      // This user can then delete the files of the image's user.
      await run('docker', ['exec', '-u', '0', id, 'chmod', '-R', 'a+rwX', inside.data]).catch(() => {})
      await run('docker', ['stop', '-t', '20', id])
      await run('docker', ['rm', '-f', '-v', id])
    },
    pause: async () => void (await run('docker', ['pause', id])),
    resume: async () => void (await run('docker', ['unpause', id])),
  }
}

/** Removes containers whose process on this host was killed before it could remove them. */
async function removeAbandoned(): Promise<void> {
  const format = `{{.ID}} {{.Label "${label}"}}`
  const { stdout } = await run('docker', ['ps', '-a', '--filter', `label=${label}`, '--format', format])
  for (const line of stdout.split('\n').filter(Boolean)) {
    const [id, from] = line.split(' ') as [string, string]
    const pid = from.slice(from.lastIndexOf(':') + 1)
    if (from === owner(pid) && !isAlive(Number(pid))) await run('docker', ['rm', '-f', '-v', id]).catch(() => {})
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
