import { parseArgs } from 'node:util'
import { findFlagFault, flagKeys } from '../../config/sources/flags.ts'
import { suggest } from '../../config/suggest.ts'

export type Command =
  | {
      readonly name: 'serve' | 'check' | 'health'
      readonly file?: string
      readonly flags: { readonly [key: string]: string }
      /** `config check` only: try what the configuration connects to, too. */
      readonly connect?: true
    }
  | { readonly name: 'import'; readonly file: string }
  | { readonly name: 'generate-key' | 'version' }
  | { readonly name: 'help'; readonly text: string }
  | { readonly name: 'usage-error'; readonly message: string }

const help = `Usage: elastauth [serve] [--config FILE|DIR] [--key value ...]

Commands
  serve                  answer requests (the default)
  config check           say everything that is wrong with the configuration;
                         with --connect, try Elasticsearch and Redis, too
  import FILE            print the Go elastauth's config.yml, or its .env, as
                         ours: elastauth import old.yml > config.yml
  health                 ask a running elastauth whether it is up; exits 0 or 1
  --generateKey          print a new secret key
  --version, -v          print the version
  --help, -h             print this text

Options
  --config, -c FILE|DIR  YAML file, or a directory of *.yml (default: config.yml, if there is one)
  --key value            any key that is neither a secret nor a map, for example
                           --listen 0.0.0.0:5000
                           --log_level debug
                           --elasticsearch.hosts https://es-1:9200,https://es-2:9200
                           --elasticsearch.dry_run true

What every installation sets
  secret_key                           ELASTAUTH_SECRET_KEY, or a file named by ELASTAUTH_SECRET_KEY_FILE
  elasticsearch.username, .password    ELASTAUTH_ELASTICSEARCH_USERNAME, ELASTAUTH_ELASTICSEARCH_PASSWORD
  default_roles, group_mappings        who may do what in Elasticsearch

Flags win over the environment, the environment over the file.
All keys: docs/configuration.md. A file to start from: config/elastauth.example.yml.
`

const commands: { readonly [words: string]: 'serve' | 'check' | 'health' | 'generate-key' } = {
  '': 'serve',
  serve: 'serve',
  'config check': 'check',
  health: 'health',
  'generate-key': 'generate-key',
}

/** What the command line (without node and the script) asks for. Flags' values are loadConfig's to judge. */
export function parseCommand(argv: readonly string[]): Command {
  const { values, positionals, message } = readArguments(argv)
  if (values.has('help')) return { name: 'help', text: help }
  if (message !== undefined) return usageError(message)
  if (values.has('version')) return { name: 'version' }
  if (values.has('generateKey')) return { name: 'generate-key' }

  if (positionals[0] === 'import') return parseImport(positionals.slice(1), [...values.keys()])
  const words = positionals.join(' ')
  if (!Object.hasOwn(commands, words)) {
    const known = [...Object.keys(commands), 'import'].filter(Boolean)
    return usageError(`unknown command "${words}": ${suggest(words, known, `known are ${known.join(', ')}`)}`)
  }
  const name = commands[words]!
  if (name === 'generate-key') return { name }
  const { config: file, connect, ...flags } = Object.fromEntries(values)
  if (connect !== undefined && name !== 'check') return usageError('--connect goes with `config check`')
  return { name, ...(file !== undefined && { file }), flags, ...(connect !== undefined && { connect: true }) }
}

function parseImport([file, ...rest]: readonly string[], [flag]: readonly string[]): Command {
  if (flag !== undefined) return usageError(`--${flag} does not go with import: it takes one file and nothing else`)
  if (file === undefined) return usageError('import needs a file after it: the former config.yml, or its .env')
  return rest.length > 0 ? usageError('import takes one file') : { name: 'import', file }
}

type Arguments = {
  readonly values: ReadonlyMap<string, string>
  readonly positionals: readonly string[]
  readonly message?: string | undefined
}

const switches = ['help', 'version', 'generateKey', 'connect']

function readArguments(argv: readonly string[]): Arguments {
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    // Our own messages name the nearest flag, and keep a secret's value out of them
    strict: false,
    tokens: true,
    options: {
      ...Object.fromEntries(flagKeys.map((key) => [key, { type: 'string' }] as const)),
      config: { type: 'string', short: 'c' },
      help: { type: 'boolean', short: 'h' },
      version: { type: 'boolean', short: 'v' },
      generateKey: { type: 'boolean' },
      connect: { type: 'boolean' },
    },
  })
  const values = new Map<string, string>()
  const messages: string[] = []
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const message = checkOption(token, values)
    if (message === undefined) values.set(token.name, token.value ?? '')
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
  if (switches.includes(name)) return value === undefined ? undefined : `${rawName} takes no value`
  if (name !== 'config') {
    const fault = findFlagFault(name, ['config', ...switches])
    if (fault) return `${rawName}: ${fault.problem}: ${fault.fix}`
  }
  if (value === undefined || value === '') return `${rawName} needs a value after it`
  if (!inlineValue && /^-./.test(value)) return `${rawName} needs a value after it, found ${value.replace(/=.*/s, '')}`
  return earlier.has(name) ? `${rawName} is given twice: keep one` : undefined
}

function usageError(message: string): Command {
  return { name: 'usage-error', message }
}
