import { suggest } from '../../config/suggest.ts'
import { help } from './help.ts'
import {
  headerSeparator,
  otherFlags,
  ownOptions,
  readArguments,
  requestOptions,
  type UsersAction,
  type UsersSwitch,
  usersSwitches,
} from './options.ts'

/** Where a command finds its configuration. */
export type ConfigArguments = Readonly<{ file?: string; flags: Readonly<Record<string, string>> }>

export type Command =
  | (ConfigArguments &
      Readonly<{
        name: 'serve' | 'check' | 'health'
        /** For `config check`: whether to connect to the configured servers too. */
        connect?: true
      }>)
  | DoctorCommand
  | UsersCommand
  | Readonly<{ name: 'import'; file: string }>
  | PlanCommand
  | ExplainCommand
  | Readonly<{ name: 'audit-verify'; files: readonly string[]; file?: string }>
  | Readonly<{ name: 'generate-key' | 'hash-password' | 'version' }>
  | Readonly<{ name: 'help'; text: string }>
  | Readonly<{ name: 'usage-error'; message: string; exitCode?: number }>

/** `headers` are those that the peer sends, the others describe the client's request. */
export type ExplainCommand = ConfigArguments &
  Readonly<{
    name: 'explain'
    headers: readonly string[]
    from?: string
    method?: string
    path?: string
    host?: string
    /** A file. */
    token?: string
    user?: string
    connect: boolean
    json: boolean
  }>

export type PlanCommand = ConfigArguments &
  Readonly<{
    name: 'plan'
    /** The file of the new configuration. */
    next: string
    json: boolean
    /** How many users may gain roles. */
    maxGains?: number
  }>

export type DoctorCommand = ConfigArguments & Readonly<{ name: 'doctor'; json: boolean }>

/** `elastauth users …`: managed users in Elasticsearch. */
export type UsersCommand = ConfigArguments &
  Readonly<{
    name: 'users'
    action: UsersAction
    /** Undefined only for the actions that concern all users. */
    username?: string
    /** Which of the switches of the action are set. */
    switches: readonly UsersSwitch[]
  }>

const withoutUsername: readonly UsersAction[] = ['list', 'prune']

const commands: { readonly [words: string]: 'serve' | 'check' | 'health' | 'generate-key' | 'hash-password' } = {
  '': 'serve',
  serve: 'serve',
  'config check': 'check',
  health: 'health',
  'generate-key': 'generate-key',
  'hash-password': 'hash-password',
}

/** The commands with arguments of their own. */
const parsers: Readonly<Record<string, (args: readonly string[], values: ReadonlyMap<string, string>) => Command>> = {
  doctor: parseDoctor,
  explain: parseExplain,
  plan: parsePlan,
  import: parseImport,
  users: parseUsers,
  audit: parseAudit,
}

/** Parses the arguments after `node` and the script. `loadConfig` validates the values of flags. */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals, message } = readArguments(argv)
  if (values.has('help')) return { name: 'help', text: help }
  if (message !== undefined) return { name: 'usage-error', message, ...(positionals[0] === 'plan' && { exitCode: 1 }) }
  if (values.has('version')) return { name: 'version' }
  if (values.has('generateKey')) return { name: 'generate-key' }

  const [first = '', ...rest] = positionals
  if (Object.hasOwn(parsers, first)) return parsers[first]!(rest, values)
  const words = positionals.join(' ')
  if (!Object.hasOwn(commands, words)) {
    const known = [...Object.keys(commands), ...Object.keys(parsers)].filter(Boolean)
    return usageError(`unknown command "${words}": ${suggest(words, known, `use one of ${known.join(', ')}`)}`)
  }
  const name = commands[words]!
  if (name === 'generate-key') return { name }
  if (name === 'hash-password') return parseHashPassword([...values.keys()])
  const { config: file, connect, ...flags } = Object.fromEntries(values)
  if (connect !== undefined && name !== 'check')
    return usageError('--connect can only be used with `config check` and `explain`')
  const misplaced = Object.keys(ownOptions).find((option) => option in flags)
  if (misplaced !== undefined) return usageError(`--${misplaced} can only be used with ${ownOptions[misplaced]}`)
  return { name, ...(file !== undefined && { file }), flags, ...(connect !== undefined && { connect: true }) }
}

function parseDoctor([extra]: readonly string[], values: ReadonlyMap<string, string>): Command {
  const { config: file, json, ...flags } = Object.fromEntries(values)
  if (extra !== undefined) return usageError('doctor takes no arguments')
  const misplaced = ['connect', ...Object.keys(ownOptions)].find((option) => option in flags)
  if (misplaced !== undefined) return usageError(`--${misplaced} cannot be used with doctor`)
  return { name: 'doctor', flags, json: json !== undefined, ...(file !== undefined && { file }) }
}

function parseExplain(positionals: readonly string[], values: ReadonlyMap<string, string>): Command {
  const { config: file, json, connect, header, ...others } = Object.fromEntries(values)
  if (positionals.length > 0)
    return usageError("explain takes no arguments: describe the request with --header 'Name: value'")
  const own = Object.entries(others).filter(([option]) => requestOptions.includes(option))
  const flags = Object.fromEntries(Object.entries(others).filter(([option]) => !requestOptions.includes(option)))
  const headers = header === undefined ? [] : header.split(headerSeparator)
  return {
    ...{ name: 'explain', flags, headers, connect: connect !== undefined, json: json !== undefined },
    ...Object.fromEntries(own),
    ...(file !== undefined && { file }),
  }
}

/** 2 means too many gains, so a usage error of `plan` is 1, as a fault in a configuration. */
function parsePlan([next, ...rest]: readonly string[], values: ReadonlyMap<string, string>): Command {
  const fault = (message: string): Command => ({ name: 'usage-error', message, exitCode: 1 })
  const { config: file, json, connect, 'max-gains': limit, ...flags } = Object.fromEntries(values)
  if (connect !== undefined) return fault('--connect cannot be used with plan, which always reads Elasticsearch')
  if (next === undefined) return fault('plan needs a file: name the new configuration, and the current one by --config')
  if (rest.length > 0) return fault('plan takes one file: name the current configuration by --config')
  if (limit !== undefined && !/^\d{1,9}$/.test(limit))
    return fault('--max-gains is not a number of users: write e.g. 10')
  return {
    ...{ name: 'plan', next, flags, json: json !== undefined },
    ...(file !== undefined && { file }),
    ...(limit !== undefined && { maxGains: Number(limit) }),
  }
}

function parseHashPassword([flag]: readonly string[]): Command {
  if (flag === undefined) return { name: 'hash-password' }
  return usageError(`--${flag} cannot be used with hash-password: it takes no arguments, and reads the password itself`)
}

function parseImport([file, ...rest]: readonly string[], values: ReadonlyMap<string, string>): Command {
  const [flag] = values.keys()
  if (flag !== undefined) return usageError(`--${flag} cannot be used with import: it takes one file and no flags`)
  if (file === undefined) return usageError('import needs a file: name the config.yml of the Go elastauth, or its .env')
  return rest.length > 0 ? usageError('import takes one file: run it once per file') : { name: 'import', file }
}

function parseUsers([action = '', username, ...rest]: readonly string[], values: ReadonlyMap<string, string>): Command {
  if (!isUsersAction(action)) {
    const known = Object.keys(usersSwitches)
    return usageError(`unknown command "users ${action}": ${suggest(action, known, `use one of ${known.join(', ')}`)}`)
  }
  if (username === undefined && !withoutUsername.includes(action)) return usageError(`users ${action} needs a username`)
  if (rest.length > 0 || (username !== undefined && withoutUsername.includes(action)))
    return usageError(`users ${action} takes ${withoutUsername.includes(action) ? 'no username' : 'one username'}`)
  const own: readonly string[] = usersSwitches[action]
  const { config: file, ...others } = Object.fromEntries(values)
  const wrong = otherFlags.find((flag) => flag in others && !own.includes(flag))
  if (wrong !== undefined) return usageError(`--${wrong} cannot be used with users ${action}`)
  const flags = Object.fromEntries(Object.entries(others).filter(([flag]) => !own.includes(flag)))
  return {
    ...{ name: 'users', action, flags, switches: usersSwitches[action].filter((flag) => values.has(flag)) },
    ...(username !== undefined && { username }),
    ...(file !== undefined && { file }),
  }
}

function isUsersAction(text: string): text is UsersAction {
  return Object.hasOwn(usersSwitches, text)
}

function parseAudit([action, ...files]: readonly string[], values: ReadonlyMap<string, string>): Command {
  if (action !== 'verify') return usageError('audit needs `verify`: elastauth audit verify FILE ...')
  const { config: file, ...flags } = Object.fromEntries(values)
  const [flag] = Object.keys(flags)
  if (flag !== undefined) return usageError(`--${flag} cannot be used with audit verify: it needs only --config`)
  if (files.length === 0)
    return usageError('audit verify needs a file: name the files of the audit log, the oldest first')
  return { name: 'audit-verify', files, ...(file !== undefined && { file }) }
}

function usageError(message: string): Command {
  return { name: 'usage-error', message }
}
