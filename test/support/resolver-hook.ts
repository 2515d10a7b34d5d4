import dns from 'node:dns'
import { readFileSync } from 'node:fs'

/**
 * Loaded before elastauth (`--import`) to replace DNS. The JSON file in `TEST_NAMES` maps names to addresses. It is read for each
 * lookup, so that a test can change an address. All other names are looked up by the system.
 */
const { lookup } = dns
const namesFile = process.env.TEST_NAMES!

dns.lookup = ((name: string, options: dns.LookupAllOptions, callback: (...result: unknown[]) => void) => {
  const addresses = (JSON.parse(readFileSync(namesFile, 'utf8')) as Record<string, string[]>)[name]
  if (addresses === undefined) lookup(name, options, callback as never)
  else if (options.all) callback(null, addresses.map(toLookupAddress))
  else callback(null, addresses[0], 4)
}) as typeof dns.lookup

function toLookupAddress(address: string): dns.LookupAddress {
  return { address, family: address.includes(':') ? 6 : 4 }
}
