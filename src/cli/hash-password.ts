import type { ReadStream } from 'node:tty'
import { hashPassword, maxPasswordBytes } from '../providers/users/password-hashing.ts'

/**
 * The command `elastauth hash-password`: asks for a password on a terminal, without showing it, or reads a line from a pipe.
 * Prints the hash, and nothing else, to standard output.
 * @returns the exit code
 */
export async function printPasswordHash(): Promise<number> {
  const password = process.stdin.isTTY ? await askTwice(process.stdin) : await readLine(process.stdin)
  if (typeof password !== 'string') {
    console.error(`elastauth: ${password.problem}`)
    return 1
  }
  console.log(await hashPassword(password))
  return 0
}

type Result = string | Readonly<{ problem: string }>

async function askTwice(terminal: ReadStream): Promise<Result> {
  const password = await ask(terminal, 'Password: ')
  if (password === undefined) return { problem: 'canceled' }
  const problem = findProblem(password)
  if (problem !== undefined) return { problem }
  return (await ask(terminal, 'Again: ')) === password ? password : { problem: 'the passwords differ: try again' }
}

/** Reads a line without showing it; undefined after Ctrl-C or Ctrl-D. Prompts go to standard error, the hash does not. */
async function ask(terminal: ReadStream, prompt: string): Promise<string | undefined> {
  process.stderr.write(prompt)
  terminal.setRawMode(true)
  terminal.setEncoding('utf8')
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  let typed = ''
  const onData = (text: string) => {
    for (const character of text) {
      if (character === '\r' || character === '\n') return resolve(typed)
      if (character === '\x03' || character === '\x04') return resolve(undefined)
      typed = character === '\x7f' || character === '\b' ? [...typed].slice(0, -1).join('') : typed + character
    }
  }
  terminal.on('data', onData).resume()
  try {
    return await promise
  } finally {
    terminal.off('data', onData).pause()
    terminal.setRawMode(false)
    process.stderr.write('\n')
  }
}

/** More is not read: a password has one line. */
const maxInput = 4 * maxPasswordBytes

async function readLine(input: NodeJS.ReadableStream): Promise<Result> {
  input.setEncoding('utf8')
  let text = ''
  for await (const chunk of input) {
    text += chunk
    if (text.length > maxInput) break
  }
  const password = text.replace(/\r?\n$/, '')
  const problem = /[\r\n]/.test(password)
    ? 'the input has more than one line: write only the password'
    : findProblem(password)
  return problem === undefined ? password : { problem }
}

function findProblem(password: string): string | undefined {
  if (password === '') return 'the password is empty'
  if (Buffer.byteLength(password) > maxPasswordBytes) return `the password is longer than ${maxPasswordBytes} bytes`
  return /[\0-\x1f\x7f]/.test(password) ? 'the password has a control character' : undefined
}
