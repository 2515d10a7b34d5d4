import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { fetchJars, fileNameOf, type Jar } from './jars.ts'
import type { Jdk } from './jdk.ts'

const run = promisify(execFile)
const javaSources = join(import.meta.dirname, 'java')
const lockFile = join(import.meta.dirname, 'jars.json')

/** The plugin class of each module, and what it extends: the part of its plugin-descriptor.properties that is not version numbers. */
const pluginClasses = {
  'transport-netty4': 'classname=org.elasticsearch.transport.netty4.Netty4Plugin',
  'x-pack-core': 'classname=org.elasticsearch.xpack.core.XPackPlugin',
  'x-pack-security': 'classname=org.elasticsearch.xpack.security.Security\nextended.plugins=x-pack-core',
  unpublished: 'classname=UnpublishedModules',
}

export type BuiltNode = { classPath: string; modules: string }

/**
 * Lays out a node as an Elasticsearch distribution has it (lib/ and modules/NAME/), with our two Java classes compiled.
 * Done once for each state of jars.json and java/. Built aside and renamed, so that two processes may do it at once.
 */
export async function buildNode(jdk: Jdk): Promise<BuiltNode> {
  const cache = process.env.ELASTAUTH_CACHE_DIR || join(import.meta.dirname, '../../../.cache')
  const home = join(cache, 'elasticsearch')
  const target = join(home, await nameOfBuild())
  if (!(await exists(target))) {
    await mkdir(home, { recursive: true })
    const scratch = await mkdtemp(join(home, 'building-'))
    try {
      await assemble(jdk, scratch, join(home, 'jars'))
      await rename(scratch, target).catch(async (error) => {
        if (!(await exists(target))) throw error // else somebody else was first, with the same content
      })
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }
  const classPath = [join(target, 'classes'), join(target, 'lib', '*')].join(delimiter)
  return { classPath, modules: join(target, 'modules') }
}

async function nameOfBuild(): Promise<string> {
  const hash = createHash('sha256')
  const sources = (await readdir(javaSources)).sort().map((name) => join(javaSources, name))
  for (const file of [lockFile, import.meta.filename, ...sources]) hash.update(await readFile(file))
  return `node-${hash.digest('hex').slice(0, 12)}`
}

async function assemble(jdk: Jdk, directory: string, store: string): Promise<void> {
  const lock: { version: string; jars: Jar[] } = JSON.parse(await readFile(lockFile, 'utf8'))
  const files = await fetchJars(lock.jars, store)
  for (const jar of lock.jars) {
    const folder = jar.module === 'lib' ? join(directory, 'lib') : join(directory, 'modules', jar.module)
    await mkdir(folder, { recursive: true })
    await place(files.get(jar.sha256)!, join(folder, fileNameOf(jar)))
  }

  const compile = (source: string, output: string) =>
    run(jdk.javac, ['--release', '17', '-proc:none', '-cp', join(directory, 'lib', '*'), '-d', output, source])
  const unpublished = join(directory, 'unpublished-classes')
  await mkdir(join(directory, 'modules', 'unpublished'))
  await Promise.all([
    compile(join(javaSources, 'SecuredNode.java'), join(directory, 'classes')),
    compile(join(javaSources, 'UnpublishedModules.java'), unpublished),
  ])
  await run(jdk.jar, ['cf', join(directory, 'modules', 'unpublished', 'unpublished.jar'), '-C', unpublished, '.'])

  for (const [name, own] of Object.entries(pluginClasses)) {
    // No `modulename` line, unlike the descriptors inside the jars: plain class loaders will do.
    const versions = `version=${lock.version}\nelasticsearch.version=${lock.version}\njava.version=17`
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
