import { parseArgs } from 'node:util'

const choices = ['external', 'docker', 'java', 'stand-in'] as const
export type Choice = (typeof choices)[number]

/** `fault` is a sentence for the user. Without `elasticsearch`, the demo chooses one. */
export type Arguments = Readonly<{
  help: boolean
  proxy: boolean
  oidc: boolean
  fault?: string
  elasticsearch?: Choice
}>

export const usage = `Usage: npm run demo [-- [--proxy] [--oidc] [--elasticsearch ${choices.join('|')}]]

Starts Elasticsearch and two instances of elastauth, and prints commands to try. Stop it with Ctrl+C.
--proxy          starts another instance in proxy mode, which forwards requests to Elasticsearch
--oidc           starts another instance in proxy mode, where you sign in with a browser
--elasticsearch  external: the one at ELASTICSEARCH_URL; docker; java (17 or later); stand-in: a small fake
                 (default: the first one of these that is available)`

export function parseArguments(argv: readonly string[]): Arguments {
  const options = {
    elasticsearch: { type: 'string' },
    proxy: { type: 'boolean' },
    oidc: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const
  try {
    const { help = false, proxy = false, oidc = false, elasticsearch } = parseArgs({ args: [...argv], options }).values
    if (elasticsearch === undefined) return { help, proxy, oidc }
    if (isChoice(elasticsearch)) return { help, proxy, oidc, elasticsearch }
    return {
      help,
      proxy,
      oidc,
      fault: `--elasticsearch "${elasticsearch}" is unknown: use one of ${choices.join(', ')}.`,
    }
  } catch (error) {
    // The first sentence of Node's message names the argument; the others explain `--`
    return {
      help: false,
      proxy: false,
      oidc: false,
      fault: `${(error as Error).message.split('. ')[0]!.replace(/\.$/, '')}.`,
    }
  }
}

function isChoice(word: string): word is Choice {
  return (choices as readonly string[]).includes(word)
}
