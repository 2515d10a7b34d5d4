import { spawnSync } from 'node:child_process'
import { runCommand } from './elastauth-command.ts'

export const hasCurl = spawnSync('curl', ['--version']).status === 0 && spawnSync('bash', ['-c', 'true']).status === 0

/** Runs curl, a client independent of Node, and resolves to its standard output. */
export async function curl(...args: string[]): Promise<string> {
  return (await runCommand('curl', ['-sS', '-m', '60', ...args])).stdout
}

/** The status of the response, `000` without a response. */
export function curlStatus(...args: string[]): Promise<string> {
  return curl('-o', '/dev/null', '-w', '%{http_code}', ...args)
}

/** Runs a script of the documentation in bash, with real curl, and resolves to its standard output. */
export async function runScript(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  return (await runCommand('bash', ['-c', script], { ...process.env, ...env })).stdout
}

/** Runs one `curl [-I] -H … URL` of the documentation; with fetch on a machine without curl. */
export async function runCurl(command: string): Promise<string> {
  if (hasCurl) return runScript(command)
  const headers = [...command.matchAll(/-H "([^:"]+): ([^"]*)"/g)].map(([, name, value]) => [name!, value!])
  const isHead = command.includes(' -I ')
  const url = command.trim().split(/\s+/).at(-1)!
  const response = await fetch(url, { method: isHead ? 'HEAD' : 'GET', headers: Object.fromEntries(headers) })
  if (!isHead) return response.text()
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${response.status} ${response.statusText}\r\n${lines.join('')}\r\n`
}
