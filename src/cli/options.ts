import { parseArgs } from 'node:util'
import { findFlagFault, flagKeys } from '../../config/sources/flags.ts'

/** The actions of `elastauth users`, and the switches of each. */
export const usersSwitches = {
  list: ['json'],
  show: ['json'],
  revoke: ['disable', 'api-keys', 'json', 'dry-run'],
  enable: ['json', 'dry-run'],
  prune: ['json', 'dry-run'],
} as const

export type UsersAction = keyof typeof usersSwitches

export type UsersSwitch = (typeof usersSwitches)[UsersAction][number]

/** The switches of `elastauth users`. */
const ofUsers: readonly string[] = [...new Set(Object.values(usersSwitches).flat())]
const switches = [...new Set(['help', 'version', 'generateKey', 'connect', 'json', ...ofUsers])]

/** The options of `explain` that describe the request, besides `--header`. */
export const requestOptions: readonly string[] = ['from', 'method', 'path', 'host', 'token', 'user']

/** Between the values of several `--header`. No header and no argument contains it. */
export const headerSeparator = '\0'

/** Options of single commands that are not keys of the configuration, and what they belong to. */
export const ownOptions: Readonly<Record<string, string>> = {
  ...Object.fromEntries(ofUsers.map((flag) => [flag, '`users`'])),
  json: '`users`, `plan`, `doctor` and `explain`',
  ...Object.fromEntries(['header', ...requestOptions].map((option) => [option, '`explain`'])),
  'max-gains': '`plan`',
}

/** The names of all flags that are not keys of the configuration. */
export const otherFlags: readonly string[] = ['config', ...new Set([...switches, ...Object.keys(ownOptions)])]

type Arguments = {
  readonly values: ReadonlyMap<string, string>
  readonly positionals: readonly string[]
  readonly message?: string | undefined
}

/** Splits a command line into the values of options and the other arguments. `message` names the first wrong option. */
export function readArguments(argv: readonly string[]): Arguments {
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
