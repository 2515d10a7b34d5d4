import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import type { Java } from './find-java.ts'
import { type Artifact, fetchJars, fileNameOf } from './jars.ts'
import { directoryOf, type Major, minJava, readLock } from './versions.ts'

const run = promisify(execFile)

/** For each module, the lines of its plugin-descriptor.properties that do not depend on the version. */
const pluginClasses = {
  'transport-netty4': 'classname=org.elasticsearch.transport.netty4.Netty4Plugin',
  'x-pack-core': 'classname=org.elasticsearch.xpack.core.XPackPlugin',
  'x-pack-security': 'classname=org.elasticsearch.xpack.security.Security\nextended.plugins=x-pack-core',
  unpublished: 'classname=UnpublishedModules',
}

export type BuiltNode = { classPath: string; modules: string }

/**
 * Builds a directory with the layout of an Elasticsearch distribution (lib/ and modules/NAME/) and our compiled Java classes, once
 * for each state of its sources. It is built under a temporary name and then renamed, so that two processes may build it at once.
 */
export async function buildNode(java: Java, major: Major): Promise<BuiltNode> {
  const cache = process.env.ELASTAUTH_CACHE_DIR || join(import.meta.dirname, '../../../.cache')
  const home = join(cache, 'elasticsearch')
  const target = join(home, await nameOfBuild(major))
  if (!(await exists(target))) {
    await mkdir(home, { recursive: true })
    const scratch = await mkdtemp(join(home, 'building-'))
    try {
      await assemble(java, major, scratch, join(home, 'jars'))
      await rename(scratch, target).catch(async (error) => {
        if (!(await exists(target))) throw error // else another process has built the same content
      })
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }
  const classPath = [join(target, 'classes'), join(target, 'lib', '*')].join(delimiter)
  return { classPath, modules: join(target, 'modules') }
}

/** The Java sources: shared ones, and those of this version. */
function sourcesOf(major: Major) {
  const common = (name: string) => join(import.meta.dirname, 'java', name)
  const own = (name: string) => join(directoryOf(major), 'java', name)
  return {
    server: [common('SecuredNode.java'), common('JarWriter.java'), own('Bundles.java')],
    module: [common('RootEndpoint.java'), common('FirstOccurrences.java'), own('UnpublishedModules.java')],
  }
}

async function nameOfBuild(major: Major): Promise<string> {
  const hash = createHash('sha256')
  const { server, module } = sourcesOf(major)
  const files = [join(directoryOf(major), 'jars.json'), import.meta.filename, ...server, ...module]
  for (const file of files) hash.update(await readFile(file))
  return `node-${major}-${hash.digest('hex').slice(0, 12)}`
}

async function assemble(java: Java, major: Major, directory: string, store: string): Promise<void> {
  const lock = readLock(major)
  const files = await fetchJars(lock.jars, store)
  for (const jar of lock.jars) {
    const folder = jar.module === 'lib' ? join(directory, 'lib') : join(directory, 'modules', jar.module)
    await mkdir(folder, { recursive: true })
    await place(files.get(jar.sha256)!, join(folder, fileNameOf(jar)))
  }

  const compile = await createCompiler(java, minJava[major], store)
  const classPath = (await readdir(join(directory, 'lib'))).map((name) => join(directory, 'lib', name))
  const [classes, moduleClasses] = [join(directory, 'classes'), join(directory, 'unpublished-classes')]
  const { server, module } = sourcesOf(major)
  await mkdir(join(directory, 'modules', 'unpublished'))
  await Promise.all([compile(server, classPath, classes), compile(module, classPath, moduleClasses)])
  const jar = join(directory, 'modules', 'unpublished', 'unpublished.jar')
  await run(java.java, ['-cp', classes, 'JarWriter', moduleClasses, jar])

  for (const [name, own] of Object.entries(pluginClasses)) {
    // Unlike the descriptors inside the jars, without a `modulename` line: plain class loaders suffice.
    const { version } = lock
    const versions = `version=${version}\nelasticsearch.version=${version}\njava.version=${minJava[major]}`
    const descriptor = `name=${name}\ndescription=${name}\n${versions}\n${own}\n`
    await writeFile(join(directory, 'modules', name, 'plugin-descriptor.properties'), descriptor)
  }
}

async function place(source: string, target: string): Promise<void> {
  await link(source, target).catch(() => copyFile(source, target)) // a link cannot cross file systems
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** Eclipse's compiler, for a Java runtime without `javac`. It requires Java 17. */
const ecj: Artifact = {
  group: 'org.eclipse.jdt',
  artifact: 'ecj',
  version: '3.42.0',
  size: 3327035,
  sha256: '29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29',
}

type Compile = (sources: readonly string[], classPath: readonly string[], output: string) => Promise<unknown>

/** @param store the directory for downloaded jars */
async function createCompiler({ java, javac }: Java, release: number, store: string): Promise<Compile> {
  const common = (classPath: readonly string[], output: string) => [
    ...['-proc:none', '-nowarn'],
    ...['-cp', classPath.join(':')],
    ...['-d', output],
  ]
  if (javac) {
    return (sources, classPath, output) =>
      run(javac, ['--release', String(release), ...common(classPath, output), ...sources])
  }
  const jar = (await fetchJars([ecj], store)).get(ecj.sha256)!
  // Without --release, which requires lib/ct.sym: a runtime made with jlink does not have it.
  return (sources, classPath, output) =>
    run(java, ['-jar', jar, `-${release}`, ...common(classPath, output), ...sources])
}
