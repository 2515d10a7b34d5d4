/**
 * Validates custom resources against their definitions, and rejects unknown fields, which Kubernetes would drop.
 *   node scripts/check-custom-resources.ts OBJECTS DEFINITIONS…
 * It does not check validation rules in CEL.
 */
import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import { parseAllDocuments } from 'yaml'

type Schema = { [key: string]: unknown }
type KubernetesObject = { apiVersion: string; kind: string; metadata: { name: string } }
type Definition = {
  spec: {
    group: string
    names: { kind: string }
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[]
  }
}

const [objectsFile = '', ...definitionFiles] = process.argv.slice(2)
const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
const schemas = new Map(definitionFiles.flatMap((file) => read<Definition>(file)).flatMap(listSchemas))

const compiled = new Map<Schema, ValidateFunction>()

const checked: string[] = []
for (const object of read<KubernetesObject>(objectsFile)) {
  const schema = schemas.get(`${object.apiVersion}/${object.kind}`)
  if (schema === undefined) continue
  checked.push(object.kind)
  const validate = compile(schema)
  const isValid: boolean = validate(object)
  if (isValid) continue
  process.exitCode = 1
  for (const { instancePath, message, params } of validate.errors ?? [])
    console.error(`${object.kind} ${object.metadata.name}: ${instancePath} ${message} ${JSON.stringify(params)}`)
}
if (process.exitCode === undefined && checked.length > 0) console.log(`Valid custom resources: ${checked.join(', ')}`)

function listSchemas({ spec }: Definition): [kind: string, schema: Schema][] {
  return spec.versions.map(({ name, schema }) => [`${spec.group}/${name}/${spec.names.kind}`, schema.openAPIV3Schema])
}

function compile(schema: Schema): ValidateFunction {
  const known = compiled.get(schema) ?? ajv.compile(toJsonSchema(schema))
  compiled.set(schema, known)
  return known
}

/** Converts a structural schema of Kubernetes to JSON Schema. */
function toJsonSchema(schema: Schema): Schema {
  const converted = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, convert(key, value)]))
  if (schema['x-kubernetes-int-or-string']) return { ...converted, type: ['integer', 'string'] }
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] || schema.additionalProperties !== undefined
  return schema.properties && !isOpen ? { ...converted, additionalProperties: false } : converted
}

function convert(key: string, value: unknown): unknown {
  if (key === 'properties')
    return Object.fromEntries(Object.entries(value as Schema).map(([name, one]) => [name, toJsonSchema(one as Schema)]))
  if (key === 'items' || (key === 'additionalProperties' && typeof value === 'object'))
    return toJsonSchema(value as Schema)
  // Go's flag for any case, which JavaScript does not have here. Without it, the check is only stricter.
  if (key === 'pattern') return (value as string).replace('(?i)', '')
  return value
}

function read<T>(file: string): T[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).flatMap((document) =>
    document.contents === null ? [] : [document.toJS() as T],
  )
}
