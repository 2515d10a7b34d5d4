import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linesOf, load, minimal } from './fixture.ts'

const faults = (yaml: string) => linesOf(() => load(minimal + yaml))

test('metrics.listen accepts one address or a list, and is not set by default', () => {
  const listenOf = (yaml: string) => load(`${minimal}enable_metrics: true\n${yaml}`).config.metrics.listen
  assert.equal(listenOf(''), null)
  assert.deepEqual(listenOf('metrics: { listen: ":9100" }'), [':9100'])
  assert.deepEqual(listenOf('metrics: { listen: [":9100", "unix:/m.sock"] }'), [':9100', 'unix:/m.sock'])
})

test('metrics.listen is a fault without enable_metrics, and the message says how to correct it', () => {
  assert.deepEqual(faults('metrics: { listen: ":9100" }'), [
    '3 metrics.listen is set, but enable_metrics is false: set enable_metrics: true, or remove it',
  ])
})

test('metrics.listen rejects an address that listen or forward_auth.listen also has', () => {
  const yaml = [
    'enable_metrics: true',
    'listen: "127.0.0.1:5000"',
    'forward_auth: { listen: ":5001" }',
    'metrics: { listen: ["http://127.0.0.1:5000", ":5001"] }',
  ]
  assert.deepEqual(faults(yaml.join('\n')), [
    '6 metrics.listen[0] is the same address as listen[0]: remove one of them',
    '6 metrics.listen[1] is the same address as forward_auth.listen[0]: remove one of them',
  ])
})

test('metrics.listen requires tls.cert for https, like listen', () => {
  assert.match(
    faults('enable_metrics: true\nmetrics: { listen: "https://:9100" }').join(),
    /tls\.cert is required for metrics\.listen\[0\], which is https: set it, with tls\.key/,
  )
})

test('a fault of one entry of a list has the line of this entry', () => {
  const yaml = 'listen:\n  - "127.0.0.1:5000"\n  - "127.0.0.1:5001"\n  - "http://127.0.0.1:5000"\n'
  assert.deepEqual(faults(yaml), ['6 listen[2] is the same address as listen[0]: remove one of them'])
})
