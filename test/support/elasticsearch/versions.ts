import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Jar } from './jars.ts'

/** The major versions of Elasticsearch that tests run on, the newest first. Each has a directory here with its jars.json and Java sources. */
export const majors = ['9', '8'] as const
export type Major = (typeof majors)[number]

/** The oldest Java that runs a node of that version. */
export const minJava: Readonly<Record<Major, number>> = { 9: 21, 8: 17 }

export const directoryOf = (major: Major) => join(import.meta.dirname, major)

export function readLock(major: Major): { version: string; jars: Jar[] } {
  return JSON.parse(readFileSync(join(directoryOf(major), 'jars.json'), 'utf8'))
}

/** The version that ELASTICSEARCH_VERSION requests; undefined for the default. */
export function requestedMajor(env = process.env): Major | undefined {
  const text = env.ELASTICSEARCH_VERSION
  if (!text) return undefined
  const major = majors.find((known) => known === text)
  if (!major) throw new Error(`ELASTICSEARCH_VERSION=${text}: use ${majors.join(' or ')}`)
  return major
}
