import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** What curl writes to its standard output: a client that nobody of us has written. */
export async function curl(...args: string[]): Promise<string> {
  const child = spawn('curl', ['-sS', '-m', '15', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  return text
}

/** The status of the answer, `000` where there is none. */
export function curlStatus(...args: string[]): Promise<string> {
  return curl('-o', '/dev/null', '-w', '%{http_code}', ...args)
}
