import { readFileSync, realpathSync, statSync } from 'node:fs'
import { type Document, isCollection, isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { ConfigError, type Fault } from '../faults.ts'
import type { Problem } from '../formats/format.ts'
import {
  type ConfiguredUsers,
  checkHash,
  checkSimilarNames,
  checkUsername,
  checkUsers,
  userMap,
} from '../formats/users.ts'
import type { Config } from '../schema.ts'
import { isMounted } from './mounts.ts'
import { checkDocument } from './yaml-document.ts'

/** 100,000 users have some 20 MB. */
const maxBytes = 32 * 1024 * 1024

const noUsers = { problem: 'has no users', fix: 'add one: elastauth hash-password prints the hash' }

/**
 * All users of the provider `users`.
 * @throws {ConfigError} with all faults of `users.path`
 */
export function readUsers({ users: { path: file, inline } }: Pick<Config, 'users'>): ConfiguredUsers {
  if (file === null) return inline
  const users = readUsersFile(file)
  if (isFaults(users)) throw new ConfigError(users)
  const all = { ...users, ...inline }
  const names = Object.keys(inline).filter((name) => Object.hasOwn(users, name))
  const faults = [
    ...names.map((name) => ({ problem: `has ${name}, who is in users.inline too`, fix: 'keep one of them' })),
    ...(names.length > 0 ? [] : checkSimilarNames(Object.keys(all))),
  ]
  if (faults.length > 0)
    throw new ConfigError(faults.map(({ problem, fix }) => ({ file, key: 'users.path', problem, fix })))
  return all
}

function isFaults(users: ConfiguredUsers | readonly Fault[]): users is readonly Fault[] {
  return Array.isArray(users)
}

/** Reads users from a YAML file (`users:`), or from a file that htpasswd has written. */
export function readUsersFile(file: string, isOnMount = isMounted): ConfiguredUsers | readonly Fault[] {
  const key = 'users.path'
  try {
    const stats = statSync(file)
    if (!stats.isFile()) return [{ file, key, problem: 'is not a file', fix: 'name the file itself' }]
    if (stats.size > maxBytes) return [{ file, key, problem: 'is longer than 32 MiB', fix: 'remove users' }]
    if ((stats.mode & 0o002) !== 0 && !isOnMount(realpathSync(file)))
      return [{ file, key, problem: 'can be written by every user of this machine', fix: 'run chmod o-w on it' }]
    const text = readFileSync(file, 'utf8').replace(/^\ufeff/, '') // as some editors write
    const users = isHtpasswd(text) ? readHtpasswd(text, file) : readYamlUsers(text, file)
    return isFaults(users) || Object.keys(users).length > 0 ? users : [{ file, line: 1, key, ...noUsers }]
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const problem = isMissing ? 'does not exist' : 'cannot be read'
    return [
      { file, key, problem, fix: isMissing ? 'check the path, and whether it is mounted' : 'check its permissions' },
    ]
  }
}

/** In YAML, a space follows the colon. */
function isHtpasswd(text: string): boolean {
  const first = text.split(/\r?\n/).find((line) => line.trim() !== '' && !line.startsWith('#')) ?? ''
  return /^[^\s:#{"']+:\S/.test(first)
}

function readHtpasswd(text: string, file: string): ConfiguredUsers | Fault[] {
  const users: Record<string, ConfiguredUsers[string]> = Object.create(null)
  const lineOf = new Map<string, number>()
  const faults: Fault[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const location = { file, line: index + 1 }
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    const fault = ({ problem, fix }: Problem) => faults.push({ ...location, key: name || 'users', problem, fix })
    if (colon === -1) fault({ problem: 'has no colon', fix: 'write name:hash, as `htpasswd -B` does' })
    else if (lineOf.has(name))
      fault({ problem: `is set twice, first in line ${lineOf.get(name)}`, fix: 'keep one of them' })
    else {
      const password_hash = line.slice(colon + 1).trim()
      checkUsername(name).forEach(fault)
      for (const { problem } of checkHash(password_hash)) fault({ problem, fix: 'write it with `htpasswd -B`' })
      lineOf.set(name, index + 1)
      users[name] = { password_hash, groups: [], email: null, name: null, disabled: false }
    }
  }
  for (const { path, ...problem } of checkSimilarNames(Object.keys(users)))
    faults.push({
      file,
      line: lineOf.get(String(path![0]))!,
      key: String(path![0]),
      problem: problem.problem,
      fix: problem.fix,
    })
  return faults.length > 0 ? faults : users
}

function readYamlUsers(text: string, file: string): ConfiguredUsers | Fault[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false, prettyErrors: false })
  const faults = checkDocument(document, file, lines)
  if (faults.length > 0) return faults
  const fault = (node: Node | undefined, key: string, problem: string, fix: string): Fault => ({
    ...{ file, line: lines.linePos(node?.range?.[0] ?? 0).line },
    ...{ key, problem, fix },
  })
  const { contents } = document
  if (contents === null) return {}
  if (!isMap(contents))
    return [fault(contents, 'the file', 'is not a map', 'write users: and the users below it, indented')]
  const others = contents.items.filter(({ key }) => !isScalar(key) || key.value !== 'users')
  if (others.length > 0)
    return others.map(({ key }) =>
      fault(key as Node, String(key), 'is not a key of this file', 'write users: and the users below it, indented'),
    )
  const value: unknown = document.get('users', true)
  const users = userMap.parse((value as Node | undefined)?.toJS(document) ?? {})
  if (users === undefined) return [fault(value as Node, 'users', `is not ${userMap.noun}`, userMap.hint)]
  const problems = checkUsers(users).map(({ problem, fix, path = [] }) =>
    fault(nodeAt(document, path), ['users', ...path].join('.'), problem, fix),
  )
  return problems.length > 0 ? problems : users
}

/** The node of a user, or of one of its fields under either of the names. */
function nodeAt(document: Document.Parsed, path: readonly (string | number)[]): Node | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(['users', ...path.slice(0, length - 1)], true)
    const name = path[length - 1]
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === name) : undefined
    if (pair !== undefined) return pair.key as Node
    const item = isCollection(parent) ? parent.get(name, true) : undefined
    if (item !== undefined) return item as Node
  }
  return undefined
}
