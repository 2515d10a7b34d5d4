import { isKey, type Key, schema } from '../schema.ts'

const head = `# yaml-language-server: $schema=./schema.json
# Configuration of elastauth: every key with its default. Keys that are commented out are optional.
# Each key is also an environment variable: elasticsearch.ca_cert is ELASTAUTH_ELASTICSEARCH_CA_CERT.
# Keep secrets out of this file: read each one from a file, e.g. ELASTAUTH_SECRET_KEY_FILE=/run/secrets/key.`

/**
 * Builds the example file. Keys that every installation must decide on are active, and all others are commented out
 * with their default.
 */
export function buildExample(): string {
  const blocks = Object.entries(schema).map(([name, node]) => writeNode(name, node).join('\n'))
  return `${[head, ...blocks].join('\n\n')}\n`
}

function writeNode(name: string, node: object): string[] {
  if (isKey(node as Key)) return writeKey(name, node as Key)
  const body = Object.entries(node).flatMap(([child, childNode]) => writeNode(child, childNode as object))
  const isActive = Object.values(node).some((child) => child.example !== undefined)
  const lines = [`${name}:`, ...body.map((line) => (isActive ? `  ${line}` : `  ${line.replace(/^# /, '')}`))]
  return isActive ? lines : lines.map(comment)
}

function writeKey(name: string, spec: Key): string[] {
  const value = spec.example ?? spec.default
  const line = `${name}:${value === null ? '' : ` ${writeValue(value)}`}`
  return [`## ${spec.doc}`, spec.example === undefined ? comment(line) : line]
}

/** Comments a line out. The `#` is placed before the indentation, so that removing `# ` leaves valid YAML. */
function comment(line: string): string {
  return `# ${line}`
}

function writeValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(writeValue).join(', ')}]`
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value)
}
