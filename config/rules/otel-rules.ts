import type { Fault } from '../faults.ts'
import type { Config } from '../schema.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Whether traces are exported. Two of OpenTelemetry's standard variables override the key. */
export function isTracingEnabled({ enableOtel }: Pick<Config, 'enableOtel'>, env: Environment): boolean {
  return enableOtel && textOf(env, 'OTEL_SDK_DISABLED').toLowerCase() !== 'true' && exporterOf(env) !== 'none'
}

/** Finds standard variables whose values elastauth does not support. The SDK would ignore them, or send to a wrong port. */
export function findOtelFaults(config: Pick<Config, 'enableOtel'>, env: Environment): Fault[] {
  if (!isTracingEnabled(config, env)) return []
  const protocolVariable = firstSet(env, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL')
  const isOtherProtocol = protocolVariable !== undefined && textOf(env, protocolVariable) !== 'http/protobuf'
  const exporter = exporterOf(env)
  return [
    ...(isOtherProtocol ? [faultOf(protocolVariable, unsupportedProtocol)] : []),
    ...(exporter !== '' && exporter !== 'otlp' ? [faultOf('OTEL_TRACES_EXPORTER', unsupportedExporter)] : []),
    ...['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
      .filter((name) => textOf(env, name) !== '' && !isHttpUrl(textOf(env, name)))
      .map((name) => faultOf(name, invalidEndpoint)),
  ]
}

const unsupportedProtocol = {
  problem: 'names a protocol that elastauth does not support',
  fix: "write http/protobuf, and the collector's port for HTTP in OTEL_EXPORTER_OTLP_ENDPOINT, usually 4318",
}
const unsupportedExporter = {
  problem: 'names an exporter that elastauth does not have',
  fix: 'write otlp, or none to export no traces',
}
/** The value is not shown, because it may contain a password. */
const invalidEndpoint = { problem: 'is not a URL', fix: 'write e.g. http://collector:4318' }

function faultOf(source: string, text: Pick<Fault, 'problem' | 'fix'>): Fault {
  return { key: 'enableOtel', source, ...text }
}

function exporterOf(env: Environment): string {
  return textOf(env, 'OTEL_TRACES_EXPORTER')
}

function firstSet(env: Environment, ...names: string[]): string | undefined {
  return names.find((name) => textOf(env, name) !== '')
}

function textOf(env: Environment, name: string): string {
  return env[name]?.trim() ?? ''
}

function isHttpUrl(text: string): boolean {
  const protocol = URL.parse(text)?.protocol
  return protocol === 'http:' || protocol === 'https:'
}
