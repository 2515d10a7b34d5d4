import { isKey, type Key, schema } from '../schema.ts'

const head = `# yaml-language-server: $schema=./schema.json
# elastauth's configuration: every key with its default. What is commented out need not be set.
# Each key is also an environment variable: elasticsearch.ca_cert is ELASTAUTH_ELASTICSEARCH_CA_CERT.
# Secrets are best kept out of this file: ELASTAUTH_SECRET_KEY_FILE=/run/secrets/key, and so for each of them.`

/** The example file: what every installation must decide stands, the rest is commented out with its default. */
export function buildExample(): string {
  const blocks = Object.entries(schema).map(([name, node]) => writeNode(name, node).join('\n'))
  return `${[head, ...blocks].join('\n\n')}\n`
}

function writeNode(name: string, node: object): string[] {
  if (isKey(node as Key)) return writeKey(name, node as Key)
  const body = Object.entries(node).flatMap(([child, childNode]) => writeNode(child, childNode as object))
  const stands = Object.values(node).some((child) => child.example !== undefined)
  const lines = [`${name}:`, ...body.map((line) => (stands ? `  ${line}` : `  ${line.replace(/^# /, '')}`))]
  return stands ? lines : lines.map(comment)
}

function writeKey(name: string, spec: Key): string[] {
  const value = spec.example ?? spec.default
  const line = `${name}:${value === null ? '' : ` ${writeValue(value)}`}`
  return [`## ${spec.doc}`, spec.example === undefined ? comment(line) : line]
}

/** The sign in front of everything, so that removing `# ` leaves good YAML. */
function comment(line: string): string {
  return `# ${line}`
}

function writeValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(writeValue).join(', ')}]`
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : JSON.stringify(value)
}
