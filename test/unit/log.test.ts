import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { createLog } from '../../src/log.ts'

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

test('text: time, level and message, for reading', async () => {
  const { log, written } = create('text')
  log.info('it listens')
  while (!written.text.includes('\n')) await new Promise(setImmediate)
  assert.match(written.text, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: it listens\n$/)
})

test('text: fields stand behind the message, those that never change are left out', async () => {
  const { log, written } = create('text')
  log.warn({ 'user.name': 'bob' }, 'said')
  while (!written.text.includes('\n')) await new Promise(setImmediate)
  assert.match(written.text, / WARN: said \{"user\.name":"bob"\}\n$/)
})

test('below the level nothing is written', () => {
  const { log, written } = create('json', 'error')
  log.warn('x')
  log.error('y')
  assert.equal(JSON.parse(written.text).message, 'y')
})
