import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { createLog } from '../../../src/observability/log.ts'

function create(format: 'json' | 'text', level = 'info') {
  const written = { text: '' }
  const destination = new Writable({
    write(chunk, _encoding, done) {
      written.text += chunk
      done()
    },
  })
  return { log: createLog({ level, format, destination }), written }
}

test('JSON: the names of the Elastic Common Schema, the time in UTC', () => {
  const { log, written } = create('json')
  log.warn({ 'user.name': 'bob' }, 'said')
  const { '@timestamp': at, ...rest } = JSON.parse(written.text)
  assert.equal(new Date(at).toISOString(), at)
  assert.deepEqual(rest, {
    'log.level': 'warn',
    'ecs.version': '8.17',
    'service.name': 'elastauth',
    'user.name': 'bob',
    message: 'said',
  })
})

test('JSON: one line for one call, whatever is in it', () => {
  const { log, written } = create('json')
  log.info({ 'url.path': '/a\n{"forged":true}' }, 'x\r\n{"forged":true}')
  assert.equal(written.text.split('\n').length, 2)
  assert.equal(JSON.parse(written.text).forged, undefined)
})

test('text: time, level and message, for reading', () => {
  const { log, written } = create('text')
  log.info('it listens')
  assert.match(written.text, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: it listens\n$/)
})

test('text: fields stand behind the message, those that never change are left out', () => {
  const { log, written } = create('text')
  log.warn({ 'user.name': 'bob' }, 'said')
  assert.match(written.text, / WARN: said \{"user\.name":"bob"\}\n$/)
})

test('text: what a message says already is not said twice, and a duration is for reading', () => {
  const { log, written } = create('text')
  const said = { 'http.request.method': 'GET', 'url.path': '/app', 'http.response.status_code': 200 }
  log.info({ ...said, 'event.duration': 1_260_000, 'event.action': 'asked', 'user.name': 'bob' }, 'GET /app 200')
  assert.match(written.text, / INFO: GET \/app 200 \(1\.3 ms\) \{"user\.name":"bob"\}\n$/)
})

test('JSON: has all fields', () => {
  const { log, written } = create('json')
  const fields = { 'url.path': '/app', 'event.duration': 1_260_000, 'event.action': 'asked' }
  log.info(fields, 'GET /app 200')
  assert.deepEqual({ ...JSON.parse(written.text), ...fields, message: 'GET /app 200' }, JSON.parse(written.text))
})

test('below the level nothing is written', () => {
  const { log, written } = create('json', 'error')
  log.warn('x')
  log.error('y')
  assert.equal(JSON.parse(written.text).message, 'y')
})
