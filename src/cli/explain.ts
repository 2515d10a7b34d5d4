import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Config } from '../../config/schema.ts'
import { createExplainer } from '../explain/explain.ts'
import { NotExplainable } from '../explain/explanation.ts'
import { formatExplanation } from '../explain/format.ts'
import { readPeer, writeHead } from '../explain/request-head.ts'
import { GatewayError } from '../http/errors.ts'
import { escapeControls } from '../http/escape-controls.ts'
import { endpointPath } from '../server/router.ts'
import type { ExplainCommand } from './args.ts'

/**
 * The command `elastauth explain`: prints how elastauth decides about a request.
 * @returns the exit code: 0 if it is allowed, 1 if it is denied, 2 if a service fails or it cannot be explained
 */
export async function printExplanation(config: Config, command: ExplainCommand): Promise<0 | 1 | 2> {
  try {
    const explanation = await explain(config, command)
    process.stdout.write(command.json ? formatJson(explanation) : formatExplanation(explanation))
    return exitCodes[explanation.result]
  } catch (error) {
    if (!(error instanceof NotExplainable || error instanceof GatewayError)) throw error
    const message = error instanceof GatewayError ? error.detail : error.message
    console.error(`elastauth: ${escapeControls(message)}`)
    return 2
  }
}

/** C1 control characters, which JSON does not escape, are escaped as well. */
function formatJson(explanation: unknown): string {
  return JSON.stringify(explanation, null, 2)
    .split('\n')
    .map((line) => `${escapeControls(line)}\n`)
    .join('')
}

const exitCodes = { allowed: 0, denied: 1, failed: 2 } as const

async function explain(config: Config, command: ExplainCommand) {
  const { connect, user, from, token } = command
  checkCommand(command, config)
  const authorization = token === undefined ? undefined : readToken(token)
  const { head, target } = writeHead({ ...command, authorization }, config)
  const explainer = await createExplainer(config, connect)
  try {
    const identity = user === undefined ? undefined : await explainer.findUser(user)
    return await explainer.explain({ head, target, peer: readPeer(from, config), identity })
  } finally {
    explainer.close()
  }
}

function checkCommand({ headers, from, path, method, host, user, token }: ExplainCommand, config: Config): void {
  for (const header of headers) checkHeader(header, config)
  if (user !== undefined && token !== undefined) fail('--user and --token name two identities: keep one of them')
  if (from !== undefined && isIP(from) === 0 && from !== 'unix' && from !== 'client_cert')
    fail('--from is not an IP address: write the address of the proxy, unix or client_cert')
  if (method !== undefined && !/^[A-Z]{1,20}$/.test(method)) fail('--method is not a method: write e.g. GET or POST')
  if (path !== undefined && !/^\/[\x21-\x7e]*$/.test(path))
    fail('--path does not begin with / or has characters that must be percent-encoded: write e.g. /app/home')
  if (path !== undefined && endpointPath(path) !== undefined)
    fail("--path is one of elastauth's own endpoints, which are not decided about: write the path of another request")
  if (host !== undefined && !/^[\w.:[\]-]{1,255}$/.test(host))
    fail('--host is not a host: write e.g. kibana.example.com')
}

/** Arguments can be read by other users of the machine, so no secret may be one. */
function checkHeader(header: string, { oidc, proxy_secret, proxy_secret_header }: Config): void {
  const [, name = '', value = ''] = /^([\w!#$%&'*+.^`|~-]+):(.*)/s.exec(header) ?? []
  if (name === '' || /[\0\r\n]/.test(header)) fail("--header is not a header: write e.g. 'Remote-User: alice'")
  const secrets = ['authorization', 'proxy-authorization', oidc.token_header?.toLowerCase()]
  if (secrets.includes(name.toLowerCase()))
    fail(`--header ${name} is a secret, and every user of this machine can read arguments: use --token FILE`)
  if (name.toLowerCase() === proxy_secret_header.toLowerCase() && value.trim() === proxy_secret)
    fail(
      `--header ${name} is the proxy_secret, and every user of this machine can read arguments: leave it out, it is added`,
    )
  if (name.toLowerCase() === 'cookie')
    fail('--header Cookie: sessions cannot be explained, and every user of this machine can read arguments: use --user')
}

const stdinPath = 0
const maxTokenFile = 64 * 1024

/** The value of `Authorization`: that of the file, or a bearer token without its scheme. */
function readToken(file: string): string {
  let text = ''
  try {
    text = readFileSync(file === '-' ? stdinPath : file, 'utf8').trim()
  } catch (error) {
    fail(`--token ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): name a file with the token, or -`)
  }
  if (text === '' || text.length > maxTokenFile || /[^\x20-\x7e]/.test(text))
    fail('--token: the file is not one token: write only the token, or the value of Authorization, into it')
  return /^(?:bearer|basic|apikey) /i.test(text) ? text : `Bearer ${text}`
}

function fail(message: string): never {
  throw new NotExplainable(message)
}
