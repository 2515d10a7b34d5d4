import type { JsonSchema } from '../formats/format.ts'
import { getFormat } from '../formats/registry.ts'
import { isKey, type Key, keys, schema } from '../schema.ts'
import { legacyKeys } from '../sources/legacy-keys.ts'

/**
 * Builds the JSON schema of the YAML file, as draft-07 because editors support that version best. Every key may be
 * empty.
 */
export function buildJsonSchema(): JsonSchema {
  const root = buildSection(schema, 'Configuration of elastauth')
  const legacy = [...legacyKeys].map(([old, key]) => {
    const spec = keys.get(key)!
    const json = old === 'elasticsearch_host' ? { type: ['string', 'null'] } : buildKey(spec)
    return [old, { ...json, description: `Old name: use ${key}.`, deprecated: true }] as const
  })
  const properties = { ...(root.properties as object), ...Object.fromEntries(legacy) }
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'elastauth', ...root, properties }
}

function buildSection(node: object, description?: string): JsonSchema {
  return {
    ...(description !== undefined && { description }),
    type: ['object', 'null'],
    additionalProperties: false,
    properties: Object.fromEntries(
      Object.entries(node).map(([name, child]) => [name, isKey(child) ? buildKey(child) : buildSection(child)]),
    ),
  }
}

function buildKey(spec: Key): JsonSchema {
  const { yamlType, jsonSchema } = getFormat(spec.format)
  const hasRange = yamlType === 'integer'
  return {
    description: spec.doc,
    ...(spec.default !== null && { default: spec.default }),
    anyOf: [
      {
        ...jsonSchema,
        ...(hasRange && { minimum: spec.min ?? 0, ...(spec.max !== undefined && { maximum: spec.max }) }),
      },
      yamlType === 'string' || yamlType === 'text or array' ? { enum: [null, ''] } : { type: 'null' },
    ],
  }
}
