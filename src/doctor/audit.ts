import { accessSync, constants, type Stats, statfsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '../../config/schema.ts'
import { auditElasticsearchOptions } from '../app/options/audit.ts'
import { explainFileError } from '../audit/file.ts'
import { createCommandClient } from '../es/command-client.ts'
import { createDataStreamChecks, type IndexPrivileges } from '../es/data-stream.ts'
import { asGatewayError } from '../http/errors.ts'
import { type Check, callLimitOf, type Finding, failure, failureOf, ok, warning } from './check.ts'

/** The checks of the audit log's sinks, which write nothing, and a function that closes their connections. */
export function auditChecks(config: Config): { checks: Check[]; close: () => void } {
  const { path, required, elasticsearch } = config.audit
  const consequence = required ? '; audit.required is true, so requests get 503' : ''
  const withConsequence = (found: Finding) =>
    found.status === 'failure' ? { ...found, detail: `${found.detail}${consequence}` } : found
  const checks: Check[] = []
  if (path !== null)
    checks.push({ id: 'audit.file', title: 'Audit file', run: async () => withConsequence(checkFile(path)) })
  if (elasticsearch.api_key === null) return { checks, close: () => {} }
  const settings = auditElasticsearchOptions(config)
  const timeoutMs = Math.min(settings.timeoutMs, callLimitOf(config))
  const { client, call, close } = createCommandClient({ ...settings, timeoutMs })
  const { readPrivileges, readIndexMode } = createDataStreamChecks(client, call, elasticsearch.data_stream)
  checks.push({
    id: 'audit.elasticsearch',
    title: 'Audit data stream',
    run: async () => {
      try {
        const privileges = await readPrivileges()
        const mode = privileges.view_index_metadata ? await readIndexMode() : 'invisible'
        return withConsequence(judgeDataStream(elasticsearch.data_stream, privileges, mode))
      } catch (error) {
        const isRejected = asGatewayError(error).detail.includes('responded with 401')
        return withConsequence(
          isRejected ? failure('Elasticsearch does not accept the API key', newKey) : failureOf(error),
        )
      }
    },
  })
  return { checks, close: () => void close() }
}

const minFreeBytes = 100 * 1024 * 1024

/** Neither opens nor creates the file: the reader of a pipe would see its end when the command closes it. */
function checkFile(path: string): Finding {
  try {
    const directory = dirname(path)
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined || stats.isFile()) return checkRegularFile(path, directory, stats)
    if (stats.isDirectory()) throw Object.assign(new Error('EISDIR: it is a directory'), { code: 'EISDIR' })
    accessSync(path, constants.W_OK)
    return ok(`${path} is a pipe or a device that this account may write to`)
  } catch (error) {
    const { problem, fix } = explainFileError(error)
    return failure(`${path} ${problem}`, fix)
  }
}

function checkRegularFile(path: string, directory: string, stats: Stats | undefined): Finding {
  if (stats === undefined) accessSync(directory, constants.W_OK | constants.X_OK)
  else accessSync(path, constants.R_OK | constants.W_OK)
  const { bavail, bsize } = statfsSync(directory)
  if (bavail * bsize < minFreeBytes)
    return warning(
      `less than 100 MiB are free for ${path}`,
      'free disk space, or set audit.path to a file on another file system',
    )
  if (stats !== undefined && (stats.mode & 0o027) !== 0)
    return warning(`${path} can be written by other accounts, or read by all of them`, `chmod 600 ${path}`)
  if (stats !== undefined && !canCreateIn(directory))
    return warning(
      `this account may not create files in ${directory}: after a rotation, the audit log cannot be written`,
      'let the account write to the directory, or let logrotate create the file (`create`)',
    )
  const what = stats === undefined ? 'can be created' : 'can be written and rotated'
  return ok(`${path} ${what}, by the account of this command (uid ${process.getuid?.()})`, accountHint())
}

function canCreateIn(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function accountHint(): string | undefined {
  return process.getuid?.() === 0
    ? 'root may write to any file: run this command as the account of elastauth'
    : undefined
}

const template = "create the index template from elastauth's page about the audit log, then roll over the data stream"
const newKey =
  "create an API key as elastauth's page about the audit log says, and set it as audit.elasticsearch.api_key"

/** @param indexMode `absent` if the data stream does not exist, `invisible` if the API key may not read its settings */
export function judgeDataStream(
  name: string,
  { create_doc, auto_configure, index, delete: remove, delete_index }: IndexPrivileges,
  indexMode: string | 'absent' | 'invisible',
): Finding {
  if (!create_doc) return failure(`the API key may not add documents to ${name}`, newKey)
  if (indexMode === 'absent' && !auto_configure)
    return failure(`the data stream ${name} does not exist, and the API key may not create it`, newKey)
  if (index || remove || delete_index)
    return warning(
      `the API key may change or delete records of ${name}, so an attacker who has the key may do so too`,
      newKey,
    )
  if (indexMode === 'logsdb')
    return warning(`${name} has the index mode logsdb: its records cannot be verified after an export`, template)
  if (indexMode === 'absent') return ok(`the API key may create ${name}, which does not exist yet`)
  if (indexMode !== 'invisible')
    return ok(`the API key may add documents to ${name}, which has the index mode ${indexMode}`)
  if (!auto_configure)
    return warning(
      `the API key may add documents to ${name}, but neither create it nor see whether it exists: if it does not, records are lost`,
      newKey,
    )
  return ok(
    `the API key may add documents to ${name}`,
    'with the privilege view_index_metadata, doctor also checks the index mode',
  )
}
