import { parseArgs } from 'node:util'

const choices = ['external', 'docker', 'java', 'stand-in'] as const
export type Choice = (typeof choices)[number]

/** `fault` is a sentence for the user. Without `elasticsearch`, the demo chooses one. */
export type Arguments = Readonly<{
  help: boolean
  proxy: boolean
  oidc: boolean
  login: boolean
  fault?: string
  elasticsearch?: Choice
}>

export const usage = `Usage: npm run demo [-- [--proxy] [--oidc] [--login] [--elasticsearch ${choices.join('|')}]]

Starts Elasticsearch and two instances of elastauth, and prints commands to try. Stop it with Ctrl+C.
--proxy          starts another instance in proxy mode, which forwards requests to Elasticsearch
--oidc           starts another instance in proxy mode, where you sign in at an OpenID provider
--login          starts another instance in proxy mode, where you sign in with a form for username and password
--elasticsearch  external: the one at ELASTICSEARCH_URL; docker; java (17 or later); stand-in: a small fake
                 (default: the first one of these that is available)`

export function parseArguments(argv: readonly string[]): Arguments {
  const options = {
    elasticsearch: { type: 'string' },
    proxy: { type: 'boolean' },
    oidc: { type: 'boolean' },
    login: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const
  try {
    const { elasticsearch, ...given } = parseArgs({ args: [...argv], options }).values
    const switches = { ...off, ...given }
    if (elasticsearch === undefined) return switches
    if (isChoice(elasticsearch)) return { ...switches, elasticsearch }
    return {
      ...switches,
      fault: `--elasticsearch "${elasticsearch}" is unknown: use one of ${choices.join(', ')}.`,
    }
  } catch (error) {
    // The first sentence of Node's message names the argument; the others explain `--`
    return { ...off, fault: `${(error as Error).message.split('. ')[0]!.replace(/\.$/, '')}.` }
  }
}

const off = { help: false, proxy: false, oidc: false, login: false }

function isChoice(word: string): word is Choice {
  return (choices as readonly string[]).includes(word)
}
