import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { findOtelFaults, isTracingEnabled } from '../../../config/rules/otel-rules.ts'

const on = { enableOtel: true }

describe('traces', () => {
  for (const [env, expected] of [
    [{}, true],
    [{ OTEL_SDK_DISABLED: 'false' }, true],
    [{ OTEL_SDK_DISABLED: '' }, true],
    [{ OTEL_SDK_DISABLED: 'True' }, false],
    [{ OTEL_TRACES_EXPORTER: 'none' }, false],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
  ] as const) {
    test(`traces are ${expected ? 'exported' : 'off'} with enableOtel and ${JSON.stringify(env)}`, () => {
      assert.equal(isTracingEnabled(on, env), expected)
      assert.equal(isTracingEnabled({ enableOtel: false }, env), false)
    })
  }
})

describe('the configuration of traces', () => {
  for (const [env, faulty] of [
    [{}, []],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector:4318' }, []],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: '', OTEL_EXPORTER_OTLP_ENDPOINT: ' ', OTEL_TRACES_EXPORTER: '' }, []],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, ['OTEL_EXPORTER_OTLP_PROTOCOL']],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, ['OTEL_EXPORTER_OTLP_PROTOCOL']],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }, []],
    [{ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'grpc' }, ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']],
    [{ OTEL_TRACES_EXPORTER: 'zipkin' }, ['OTEL_TRACES_EXPORTER']],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, ['OTEL_EXPORTER_OTLP_ENDPOINT']],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://' }, ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_SDK_DISABLED: 'true' }, []],
  ] as const) {
    test(`the configuration of traces has ${faulty.length === 0 ? 'no fault' : `a fault in ${faulty}`} with ${JSON.stringify(env)}`, () => {
      const sources = findOtelFaults(on, env).map(({ source }) => source)
      assert.deepEqual(sources, faulty)
      assert.deepEqual(findOtelFaults({ enableOtel: false }, env), [])
    })
  }

  test('a fault does not show the value of an endpoint, because it may contain a password', () => {
    const faults = findOtelFaults(on, { OTEL_EXPORTER_OTLP_ENDPOINT: 'http//user:hunter2@collector' })
    assert.equal(faults.length, 1)
    assert.doesNotMatch(JSON.stringify(faults), /hunter2/)
  })
})
