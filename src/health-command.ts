import { parseAddress } from '../config/addresses.ts'

const patience = 3000

/** `elastauth health`: asks the elastauth that listens at this address of this machine. @returns the exit code */
export async function askHealth(listen: string): Promise<0 | 1> {
  const { host, port } = parseAddress(listen)!
  const url = `http://${reachable(host)}:${port}/elastauth/health`
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(patience) })
    console.log(`${url} answered ${answer.status}`)
    return answer.ok ? 0 : 1
  } catch (error) {
    const { message, cause } = error as Error
    console.error(`${url} does not answer: ${cause instanceof Error ? cause.message : message}`)
    return 1
  }
}

/** One can listen on all interfaces but not connect to them. */
function reachable(host: string): string {
  if (host === '' || host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}
