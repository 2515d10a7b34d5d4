import dns from 'node:dns'
import { readFileSync } from 'node:fs'

/**
 * Loaded before elastauth (`--import`): names that are in the JSON file of `TEST_NAMES` resolve to the addresses there, read
 * anew each time, as a name server's answers change. The system's own resolver is asked for all others.
 */
const { lookup } = dns
const names = process.env.TEST_NAMES!

dns.lookup = ((name: string, options: dns.LookupAllOptions, callback: (...result: unknown[]) => void) => {
  const addresses = (JSON.parse(readFileSync(names, 'utf8')) as Record<string, string[]>)[name]
  if (addresses === undefined) lookup(name, options, callback as never)
  else if (options.all) callback(null, addresses.map(addressOf))
  else callback(null, addresses[0], 4)
}) as typeof dns.lookup

function addressOf(address: string): dns.LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 }
}
