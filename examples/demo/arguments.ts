import { parseArgs } from 'node:util'

const choices = ['external', 'docker', 'java', 'stand-in'] as const
export type Choice = (typeof choices)[number]

/** `fault` is one sentence; without `elasticsearch`, the best there is. */
export type Arguments = Readonly<{
  help: boolean
  proxy: boolean
  oidc: boolean
  fault?: string
  elasticsearch?: Choice
}>

export const usage = `Usage: npm run demo [-- [--proxy] [--oidc] [--elasticsearch ${choices.join('|')}]]

Starts an Elasticsearch and two elastauths in front of it, and shows what to type. ^C ends it.
With --proxy another one, in proxy mode: all requests go through it.
With --oidc another one, in proxy mode too, where you log in with a browser.
Without --elasticsearch: the one that ELASTICSEARCH_URL names, else Docker, else Java (17 or later), else a stand-in.`

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
    return { help, proxy, oidc, fault: `--elasticsearch takes ${choices.join(', ')}; not "${elasticsearch}".` }
  } catch (error) {
    // Node's first sentence names the argument; those after it advise on `--`
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
