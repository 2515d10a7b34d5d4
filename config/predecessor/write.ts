import { Document } from 'yaml'
import { keys } from '../schema.ts'
import type { Converted, Remark } from './convert.ts'

/** Our YAML, in the schema's order, with the remarks at its head. It holds the secrets that the old file held. */
export function writeConfig({ settings, remarks }: Converted, from: string): string {
  const document = new Document({})
  for (const key of keys.keys()) {
    if (settings.has(key)) document.setIn(key.split('.'), document.createNode(settings.get(key)))
  }
  const head = [
    `# From ${describeFile(from)} by \`elastauth import\`.`,
    ...describeRemarks(remarks).map((line) => `# ${line}`),
  ]
  return `${head.join('\n')}\n\n${settings.size === 0 ? '' : document.toString({ lineWidth: 0 })}`
}

/** One line a remark, in a column each for kind and key. */
export function describeRemarks(remarks: readonly Remark[]): string[] {
  const kinds: readonly Remark['kind'][] = ['decide', 'changed', 'not needed']
  const sorted = kinds.flatMap((kind) => remarks.filter((remark) => remark.kind === kind))
  const width = Math.max(...sorted.map(({ key }) => key.length))
  return sorted.map(({ kind, key, text }) => `${kind.padEnd(10)}  ${printable(key).padEnd(width)}  ${text}`)
}

/** A name from somebody's file: no line of ours may begin inside it, and no terminal obey it. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, '?')
}

function describeFile(path: string): string {
  return printable(path.split('/').at(-1)!)
}
