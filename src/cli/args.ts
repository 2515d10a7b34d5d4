import { parseArgs } from 'node:util'
import { findFlagFault, flagKeys } from '../../config/sources/flags.ts'
import { suggest } from '../../config/suggest.ts'

export type Command =
  | {
      readonly name: 'serve' | 'check' | 'health'
      readonly file?: string
      readonly flags: { readonly [key: string]: string }
      /** For `config check`: whether to connect to the configured servers too. */
      readonly connect?: true
    }
  | DoctorCommand
  | UsersCommand
  | { readonly name: 'import'; readonly file: string }
  | PlanCommand
  | ExplainCommand
  | { readonly name: 'audit-verify'; readonly files: readonly string[]; readonly file?: string }
  | { readonly name: 'generate-key' | 'hash-password' | 'version' }
  | { readonly name: 'help'; readonly text: string }
  | { readonly name: 'usage-error'; readonly message: string; readonly exitCode?: number }

/** `headers` are those that the peer sends, the others describe the client's request. */
export type ExplainCommand = Readonly<{
  name: 'explain'
  file?: string
  flags: Readonly<Record<string, string>>
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

export type PlanCommand = Readonly<{
  name: 'plan'
  /** The new configuration. */
  next: string
  file?: string
  flags: Readonly<Record<string, string>>
  json: boolean
  /** How many users may gain roles. */
  maxGains?: number
}>

/** `elastauth doctor`. */
export type DoctorCommand = Readonly<{
  name: 'doctor'
  file?: string
  flags: { readonly [key: string]: string }
  /** Whether to print one JSON document. */
  json: boolean
}>

export type UsersAction = keyof typeof usersSwitches

/** `elastauth users …`: managed users in Elasticsearch. */
export type UsersCommand = Readonly<{
  name: 'users'
  action: UsersAction
  /** Undefined only for the actions that concern all users. */
  username?: string
  file?: string
  flags: { readonly [key: string]: string }
  /** Which of the switches of the action are set. */
  switches: readonly UsersSwitch[]
}>

export type UsersSwitch = (typeof usersSwitches)[UsersAction][number]

/** The actions of `elastauth users`, and the switches of each. */
const usersSwitches = {
  list: ['json'],
  show: ['json'],
  revoke: ['disable', 'api-keys', 'json', 'dry-run'],
  enable: ['json', 'dry-run'],
  prune: ['json', 'dry-run'],
} as const

const withoutUsername: readonly UsersAction[] = ['list', 'prune']

const help = `Usage: elastauth [serve] [--config FILE|DIR] [--key value ...]

Commands
  serve                  start the server (default)
  config check           check the configuration and list all faults; with
                         --connect, also try Elasticsearch and its roles,
                         Redis, the OpenID provider and upstreams
  doctor [--json]        find out what is wrong, with the running elastauth too, and
                         say what to do; exits with 1 for warnings, 2 for failures
  explain                say step by step how a request is decided: --header 'Name: value' ...,
                         --token FILE or --user NAME; --from ADDRESS, --method, --path,
                         --host; --connect reads Elasticsearch; --json; exits with 0 if
                         the request is allowed, 1 if it is denied
  plan NEW.yml           compare a new configuration with the current one: which managed
                         users of Elasticsearch would gain or lose roles; --json;
                         exits with 2 if more than --max-gains N users gain roles
  import FILE            convert the config.yml or .env of the Go elastauth:
                         elastauth import old.yml > config.yml
  users list             list the managed users in Elasticsearch
  users show NAME        show one of them, with API keys and sessions
  users revoke NAME      end the sign-ins, tokens and password of a user, with --disable
                         disable the user, with --api-keys invalidate API keys; then
                         verify that nothing of the person authenticates; exits with 0 or 1
  users enable NAME      enable a disabled user
  users prune            disable and delete users by user_retention, now
                         --json for scripts; --dry-run changes nothing
  audit verify FILE ...  check the records of an audit log, oldest file first
  health                 check a running elastauth; exits with 0 or 1
  hash-password          ask for a password, or read a line from a pipe, and print
                         its hash for users.path
  --generateKey          print a new secret key
  --version, -v          print the version
  --help, -h             print this help

Options
  --config, -c FILE|DIR  YAML file, or directory of *.yml files (default: config.yml, if it exists)
  --key value            any key except secrets and maps, for example
                           --listen 0.0.0.0:5000
                           --log_level debug
                           --elasticsearch.hosts https://es-1:9200,https://es-2:9200
                           --elasticsearch.dry_run true

Keys that every installation sets
  secret_key                           ELASTAUTH_SECRET_KEY, or ELASTAUTH_SECRET_KEY_FILE with the path of a file
  elasticsearch.username, .password    ELASTAUTH_ELASTICSEARCH_USERNAME, ELASTAUTH_ELASTICSEARCH_PASSWORD
  default_roles, group_mappings        Elasticsearch roles of users

Flags override the environment, and the environment overrides the file.
All keys, with their defaults: config/elastauth.example.yml, in this package and in /app of the image.
`

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

type Arguments = {
  readonly values: ReadonlyMap<string, string>
  readonly positionals: readonly string[]
  readonly message?: string | undefined
}

const ofUsers: readonly string[] = [...new Set(Object.values(usersSwitches).flat())]
const switches = [...new Set(['help', 'version', 'generateKey', 'connect', 'json', ...ofUsers])]

const requestOptions: readonly string[] = ['from', 'method', 'path', 'host', 'token', 'user']

/** Between the values of several `--header`. No header and no argument contains it. */
const headerSeparator = '\0'

/** Options of single commands that are not keys of the configuration, and what they belong to. */
const ownOptions: Readonly<Record<string, string>> = {
  ...Object.fromEntries(ofUsers.map((flag) => [flag, '`users`'])),
  json: '`users`, `plan`, `doctor` and `explain`',
  ...Object.fromEntries(['header', ...requestOptions].map((option) => [option, '`explain`'])),
  'max-gains': '`plan`',
}

/** The names of all flags that are not keys of the configuration. */
export const otherFlags: readonly string[] = ['config', ...new Set([...switches, ...Object.keys(ownOptions)])]

function readArguments(argv: readonly string[]): Arguments {
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    // Not strict, because the messages below are better: they suggest a similar flag, and do not repeat the value of a
    // secret.
    strict: false,
    tokens: true,
    options: {
      ...Object.fromEntries(flagKeys.map((key) => [key, { type: 'string' }] as const)),
      config: { type: 'string', short: 'c' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
      generateKey: { type: 'boolean' },
      connect: { type: 'boolean' },
      json: { type: 'boolean' },
      ...Object.fromEntries(ofUsers.map((flag) => [flag, { type: 'boolean' }] as const)),
      ...Object.fromEntries(
        ['max-gains', 'header', ...requestOptions].map((option) => [option, { type: 'string' }] as const),
      ),
    },
  })
  const values = new Map<string, string>()
  const messages: string[] = []
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const message = checkOption(token, values)
    const value = token.value ?? ''
    if (message === undefined && token.name === 'header' && values.has('header'))
      values.set('header', [values.get('header'), value].join(headerSeparator))
    else if (message === undefined) values.set(token.name, value)
    else messages.push(message)
  }
  return { values, positionals, message: messages[0] }
}

type Option = {
  readonly name: string
  readonly rawName: string
  readonly value?: string | undefined
  readonly inlineValue?: boolean | undefined
}

function checkOption({ name, rawName, value, inlineValue }: Option, earlier: ReadonlyMap<string, string>) {
  if (switches.includes(name)) return value === undefined ? undefined : `${rawName} takes no value: remove it`
  if (!otherFlags.includes(name)) {
    const fault = findFlagFault(name, otherFlags)
    if (fault) return `${rawName}: ${fault.problem}: ${fault.fix}`
  }
  if (value === undefined || value === '') return `${rawName} needs a value: write it after the flag`
  if (!inlineValue && /^-./.test(value)) {
    return `${rawName} needs a value, but is followed by ${value.replace(/=.*/s, '')}: write the value after the flag`
  }
  return earlier.has(name) && name !== 'header' ? `${rawName} is set twice: keep one of them` : undefined
}

function usageError(message: string): Command {
  return { name: 'usage-error', message }
}
