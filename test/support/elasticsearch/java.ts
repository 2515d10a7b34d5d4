import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findFreePort } from '../port.ts'
import { buildNode } from './build.ts'
import { findJava } from './find-java.ts'
import type { NodeSpec, Running } from './own-node.ts'

/** C1 alone starts in three quarters of the time. A benchmark sets `ELASTICSEARCH_JAVA_OPTIONS`, which may be empty, to use both compilers. */
const fastStartOptions = '-XX:TieredStopAtLevel=1'
const logConfig = `status = error
appender.file.type = File
appender.file.name = file
appender.file.fileName = \${sys:es.logs.base_path}\${sys:file.separator}elasticsearch.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
`

/** Runs a node on this machine's Java: java/SecuredNode.java with Elasticsearch's own jars. */
export async function startOnJava(spec: NodeSpec): Promise<Running> {
  const found = await findJava()
  if (typeof found === 'string') throw new Error(found)
  const { java, major } = found
  const { classPath, modules } = await buildNode(java, major)
  const config = join(spec.dataDir, 'config')
  await mkdir(config, { recursive: true })
  await mkdir(join(spec.dataDir, 'tmp'), { recursive: true })
  await writeFile(join(config, 'log4j2.properties'), logConfig)

  const settings: Record<string, string> = {
    'http.port': String(spec.port || (await findFreePort())),
    ...spec.settings,
  }
  if (spec.certificate) {
    await writeFile(join(config, 'http.crt'), spec.certificate.cert)
    await writeFile(join(config, 'http.key'), spec.certificate.key, { mode: 0o600 })
    settings['xpack.security.http.ssl.enabled'] = 'true'
    settings['xpack.security.http.ssl.certificate'] = join(config, 'http.crt')
    settings['xpack.security.http.ssl.key'] = join(config, 'http.key')
  }
  const chosen = (process.env.ELASTICSEARCH_JAVA_OPTIONS ?? fastStartOptions).split(' ').filter(Boolean)
  const memory = ['-Xms512m', '-Xmx512m', '-XX:+UseSerialGC', ...chosen]
  const options = [
    `-Djava.io.tmpdir=${join(spec.dataDir, 'tmp')}`,
    '-Dlog4j.shutdownHookEnabled=false',
    '-Dlog4j2.disable.jmx=true',
    ...(major === '8' ? [] : ['--enable-native-access=ALL-UNNAMED']),
  ]
  if (spec.isTemporary) options.push('-Dtemporary=true')
  const program = ['-cp', classPath, 'SecuredNode', modules, spec.dataDir]
  const child = spawn(
    java.java,
    [...memory, ...options, ...program, ...Object.entries(settings).map((pair) => pair.join('='))],
    {
      env: { ...process.env, ELASTIC_PASSWORD: spec.password },
      stdio: ['pipe', 'pipe', 'pipe'], // the node exits when its stdin ends, so it does not outlive this process even after SIGKILL
    },
  )
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))

  const port = await readyPort(child)
  return {
    url: `${spec.certificate ? 'https' : 'http'}://127.0.0.1:${port}`,
    username: 'elastic',
    password: spec.password,
    pid: child.pid!,
    stop: () => end(child),
    pause: async () => void child.kill('SIGSTOP'),
    resume: async () => void child.kill('SIGCONT'),
  }
}

async function readyPort(child: ChildProcess): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let stderr = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000)
  })
  createInterface(child.stdout!).on('line', (line) => {
    const port = /^ready (\d+)$/.exec(line)?.[1]
    if (port) resolve(Number(port))
  })
  child.once('error', reject)
  child.once('close', (code, signal) =>
    reject(new Error(`the node ended (${signal ?? code}) before it was ready\n${stderr}`)),
  )
  return promise
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGCONT') // a stopped process does not handle SIGTERM
  child.kill('SIGTERM')
  const killTimer = setTimeout(() => child.kill('SIGKILL'), 30_000)
  await ended
  clearTimeout(killTimer)
}
