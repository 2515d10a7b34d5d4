import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

export const hasCurl = spawnSync('curl', ['--version']).status === 0 && spawnSync('bash', ['-c', 'true']).status === 0

/** Runs a script of the page in bash, with real curl; its standard output. */
export async function runScript(script: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, ...env } })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  await once(child, 'close')
  return output
}

/** Runs one `curl [-I] -H … URL` of the page; the same by fetch on a machine without curl. */
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
