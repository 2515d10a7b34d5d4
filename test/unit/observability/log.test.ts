import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { pino } from 'pino'
import { createLog } from '../../../src/observability/log.ts'

async function create(format: 'json' | 'text', level = 'info') {
  const written = { text: '' }
  const destination = new Writable({
    write(chunk, _encoding, done) {
      written.text += chunk
      done()
    },
  })
  return { log: await createLog({ level, format, destination }), written }
}

test('a JSON log line uses the field names of the Elastic Common Schema and a timestamp in UTC', async () => {
  const { log, written } = await create('json')
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

test('a timestamp shows the time of its own line, even when the second changes or the clock is set back', async ({
  mock,
}) => {
  const { log, written } = await create('json')
  mock.timers.enable({ apis: ['Date'] })
  const times = [
    '2026-12-31T23:59:59.009Z',
    '2026-12-31T23:59:59.999Z',
    '2027-01-01T00:00:00.000Z',
    '2026-12-31T23:59:59.120Z',
  ]
  for (const time of times) {
    mock.timers.setTime(Date.parse(time))
    log.info('said')
  }
  const lines = written.text.trimEnd().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)['@timestamp']),
    times,
  )
})

test('each call writes one JSON line, even if a message or field contains line breaks', async () => {
  const { log, written } = await create('json')
  log.info({ 'url.path': '/a\n{"forged":true}' }, 'x\r\n{"forged":true}')
  assert.equal(written.text.split('\n').length, 2)
  assert.equal(JSON.parse(written.text).forged, undefined)
})

test('a text log line has time, level and message', async () => {
  const { log, written } = await create('text')
  log.info('it listens')
  assert.match(written.text, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: it listens\n$/)
})

test('a text log line has fields after the message, and omits fields that never change', async () => {
  const { log, written } = await create('text')
  log.warn({ 'user.name': 'bob' }, 'said')
  assert.match(written.text, / WARN: said \{"user\.name":"bob"\}\n$/)
})

test('a text log line omits fields that the message contains, and shows the duration in milliseconds', async () => {
  const { log, written } = await create('text')
  const said = { 'http.request.method': 'GET', 'url.path': '/app', 'http.response.status_code': 200 }
  log.info({ ...said, 'event.duration': 1_260_000, 'event.action': 'asked', 'user.name': 'bob' }, 'GET /app 200')
  assert.match(written.text, / INFO: GET \/app 200 \(1\.3 ms\) \{"user\.name":"bob"\}\n$/)
})

test('a JSON log line has all fields, even those that the message contains', async () => {
  const { log, written } = await create('json')
  const fields = { 'url.path': '/app', 'event.duration': 1_260_000, 'event.action': 'asked' }
  log.info(fields, 'GET /app 200')
  assert.deepEqual({ ...JSON.parse(written.text), ...fields, message: 'GET /app 200' }, JSON.parse(written.text))
})

test('the log writes nothing below its level', async () => {
  const { log, written } = await create('json', 'error')
  log.warn('x')
  log.error('y')
  assert.equal(JSON.parse(written.text).message, 'y')
})

test('a JSON log line has the same bytes as one that pino formats', async () => {
  const { log, written } = await create('json')
  const fields = {
    absent: undefined,
    number: 1.5,
    notFinite: Number.NaN,
    isTrue: true,
    nothing: null,
    method: () => {},
    list: ['a', 'b"'],
    object: { inner: 'x' },
    empty: '',
    escaped: '"\\\n\u0001\u007f',
    long: '"'.repeat(100),
    'not ASCII "é': 'ü€😀',
    'half of a pair': '\ud83d',
  }
  log.child({ own: 'field' }).error(fields, 'a "message"')
  log.info('only a message')

  const expected: string[] = []
  const destination = { write: (line: string) => void expected.push(line) }
  const base = { 'ecs.version': '8.17', 'service.name': 'elastauth' }
  const formatters = { level: (label: string) => ({ 'log.level': label }) }
  const reference = pino({ base, formatters, messageKey: 'message', timestamp: () => ',"@timestamp":""' }, destination)
  reference.child({ own: 'field' }).error(fields, 'a "message"')
  reference.info('only a message')
  assert.equal(written.text.replaceAll(/"@timestamp":"[^"]+"/g, '"@timestamp":""'), expected.join(''))
})
