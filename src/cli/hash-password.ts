import { isUtf8 } from 'node:buffer'
import type { ReadStream } from 'node:tty'
import { hasArgon2, hashPassword, maxPasswordBytes } from '../providers/users/password-hashing.ts'

/**
 * The command `elastauth hash-password`: asks for a password on a terminal, without showing it, or reads a line from a pipe.
 * Prints the hash, and nothing else, to standard output.
 * @returns the exit code
 */
export async function printPasswordHash(): Promise<number> {
  const { stdin } = process
  if (stdin.isTTY) stdin.setRawMode(true) // before anything else: the terminal shows what is typed until then
  try {
    if (!hasArgon2()) return fail(noArgon2)
    const password = stdin.isTTY ? await askTwice(stdin) : await readLine(stdin)
    if (password === 'interrupted') return interruptedExitCode
    if (!Buffer.isBuffer(password)) return fail(password.problem)
    console.log(await hashPassword(password.toString()))
    return 0
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false)
  }
}

/** As a shell reports a program that SIGINT has ended. In raw mode, Ctrl-C sends no signal. */
const interruptedExitCode = 130

const noArgon2 =
  'this build of Node.js has no argon2id: use a Node.js with OpenSSL 3.2 or later, such as that of the image or of nodejs.org'

function fail(problem: string): number {
  console.error(`elastauth: ${problem}`)
  return 1
}

/** A password in UTF-8. */
type Result = Buffer | 'interrupted' | Readonly<{ problem: string }>

async function askTwice(terminal: ReadStream): Promise<Result> {
  const typed = terminal[Symbol.asyncIterator]() // one for both lines, which may arrive together when they are pasted
  const bytes = (async function* () {
    for (let next = await typed.next(); !next.done; next = await typed.next()) yield* next.value as Buffer
  })()
  const first = await ask('Password: ', bytes)
  const problem = Buffer.isBuffer(first) ? findProblem(first) : undefined
  if (problem !== undefined) return { problem }
  if (!Buffer.isBuffer(first)) return first
  const second = await ask('Again: ', bytes)
  if (!Buffer.isBuffer(second)) return second
  return first.equals(second) ? first : { problem: 'the passwords differ: try again' }
}

/** Reads a line without showing it. Prompts go to standard error, the hash does not. */
async function ask(prompt: string, bytes: AsyncGenerator<number>): Promise<Result> {
  process.stderr.write(prompt)
  const line = await readTyped(bytes)
  process.stderr.write('\n')
  return line
}

async function readTyped(bytes: AsyncGenerator<number>): Promise<Result> {
  const line: number[] = []
  for (let next = await bytes.next(); !next.done; next = await bytes.next()) {
    if (next.value === enter || next.value === lineFeed) return Buffer.from(line)
    if (next.value === ctrlC) return 'interrupted'
    if (next.value === ctrlD) break
    if (next.value === backspace || next.value === del) removeLastCharacter(line)
    else line.push(next.value)
  }
  return { problem: 'canceled' }
}

const [ctrlC, ctrlD, backspace, lineFeed, enter, del] = [0x03, 0x04, 0x08, 0x0a, 0x0d, 0x7f]

/** A character of UTF-8 ends with the bytes that begin with the bits 10. */
function removeLastCharacter(line: number[]): void {
  while (((line.pop() ?? 0) & 0xc0) === 0x80);
}

/** More is not read: a password has one line. */
const maxInput = 4 * maxPasswordBytes

async function readLine(input: AsyncIterable<Buffer>): Promise<Result> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of input) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxInput) break
  }
  const all = Buffer.concat(chunks)
  const end = all.at(-1) !== lineFeed ? all.length : all.at(-2) === enter ? all.length - 2 : all.length - 1
  const password = all.subarray(0, end)
  const problem =
    password.includes(lineFeed) || password.includes(enter)
      ? 'the input has more than one line: write only the password'
      : findProblem(password)
  return problem === undefined ? password : { problem }
}

function findProblem(password: Buffer): string | undefined {
  if (password.length === 0) return 'the password is empty'
  if (password.length > maxPasswordBytes) return `the password is longer than ${maxPasswordBytes} bytes`
  if (!isUtf8(password)) return 'the password is not UTF-8: set the terminal, or what writes to the pipe, to UTF-8'
  return password.some((byte) => byte < 0x20 || byte === del) ? 'the password has a control character' : undefined
}
