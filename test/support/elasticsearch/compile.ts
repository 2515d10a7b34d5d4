import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Java } from './find-java.ts'
import { type Artifact, fetchJars } from './jars.ts'

const run = promisify(execFile)

/** Eclipse's compiler, for a Java runtime without `javac`. It needs Java 17. */
const ecj: Artifact = {
  group: 'org.eclipse.jdt',
  artifact: 'ecj',
  version: '3.42.0',
  size: 3327035,
  sha256: '29f6d3918ee02db4400c103bc25dd90a22491c3a395867d9393070cb96a7dd29',
}

export type Compile = (sources: readonly string[], classPath: readonly string[], output: string) => Promise<unknown>

/** @param store where downloaded jars are kept */
export async function createCompiler({ java, javac }: Java, release: number, store: string): Promise<Compile> {
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
  // No --release: it needs lib/ct.sym, which a runtime made with jlink does not have.
  return (sources, classPath, output) =>
    run(java, ['-jar', jar, `-${release}`, ...common(classPath, output), ...sources])
}
