import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError, maskUrlCredentials, quoteForMessage } from '../../../config/faults.ts'

for (const [text, masked] of [
  ['redis://user:secret@redis:6379/0', 'redis://********@redis:6379/0'],
  ['redis://:p@ss@redis', 'redis://********@redis'],
  ['redis://user:a://b@redis', 'redis://********@redis'],
  ['user:secret@redis', '********@redis'],
  ['secret@redis://x', '********@redis://x'],
  ['redis://user:line\nbreak@redis', 'redis://********@redis'],
  ['redis://@redis', 'redis://********@redis'],
  ['://secret@redis', '://********@redis'],
  ['redis://redis:6379/0', 'redis://redis:6379/0'],
  ['', ''],
] as const) {
  test(`the credentials in ${JSON.stringify(text)} are masked as ${JSON.stringify(masked)}`, () => {
    assert.equal(maskUrlCredentials(text), masked)
  })
}

for (const [value, quoted] of [
  ['text', '"text"'],
  [5, '"5"'],
  [{ a: [1] }, String.raw`"{\"a\":[1]}"`],
  [undefined, '"undefined"'],
  ['\u001b[31m\u009b\u2028', String.raw`"\u001b[31m\u009b\u2028"`],
  ['x'.repeat(61), `"${'x'.repeat(57)}..."`],
  ['redis://u:p@r', '"redis://********@r"'],
] as const) {
  test(`a message quotes the value ${JSON.stringify(value)} as ${quoted}`, () => {
    assert.equal(quoteForMessage(value), quoted)
  })
}

test('a ConfigError lists its faults in aligned columns, with a location or (not set)', () => {
  const { message } = new ConfigError([
    { file: 'config.yml', line: 3, key: 'listen', problem: 'is empty', fix: 'write an address' },
    { key: 'secret_key', problem: 'is missing', fix: 'set it' },
  ])
  assert.deepEqual(message.split('\n'), [
    'the configuration has 2 faults',
    '  config.yml:3  listen      is empty: write an address',
    '  (not set)     secret_key  is missing: set it',
  ])
})

test('control characters in a key, such as the name of a user, are escaped, because the message may be shown on a terminal', () => {
  const { message } = new ConfigError([{ key: 'users.\u001b[2J\u009b', problem: 'is empty', fix: 'remove it' }])
  assert.ok(message.includes(String.raw`users.\u001b[2J\u009b`), message)
})
