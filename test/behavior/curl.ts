import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** Runs curl, a client independent of Node, and resolves to its standard output. */
export async function curl(...args: string[]): Promise<string> {
  const child = spawn('curl', ['-sS', '-m', '15', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += chunk
  })
  await once(child, 'close')
  return text
}

/** The status of the response, `000` without a response. */
export function curlStatus(...args: string[]): Promise<string> {
  return curl('-o', '/dev/null', '-w', '%{http_code}', ...args)
}
