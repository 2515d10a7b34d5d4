import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { SealedRecord } from '../../../src/audit/chain.ts'
import { openFileTarget } from '../../../src/audit/file.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-audit-'))
after(() => rmSync(directory, { recursive: true }))

const records = (...lines: string[]): SealedRecord[] => lines.map((text, i) => ({ sequence: i, line: `${text}\n` }))
const newPath = (name: string) => join(directory, name, 'audit.json')

describe('the file of the audit log', () => {
  test('it is created with permissions 0600 and appended to', async () => {
    mkdirSync(join(directory, 'new'))
    const path = newPath('new')
    for (const text of ['a', 'b']) {
      const target = await openFileTarget(path)
      await target.write(records(text))
      target.close()
    }
    assert.equal(readFileSync(path, 'utf8'), 'a\nb\n')
    assert.equal(statSync(path).mode & 0o777, 0o600)
  })

  test('after a rename, lines go to the renamed file until it is reopened', async () => {
    mkdirSync(join(directory, 'rename'))
    const path = newPath('rename')
    const target = await openFileTarget(path)
    await target.write(records('a'))
    renameSync(path, `${path}.1`)
    await target.write(records('b'))
    target.reopen()
    await target.write(records('c'))
    assert.equal(readFileSync(`${path}.1`, 'utf8'), 'a\nb\n')
    assert.equal(readFileSync(path, 'utf8'), 'c\n')
    target.close()
  })

  test('it is created again if it is deleted, and as soon as its directory exists again', async () => {
    mkdirSync(join(directory, 'gone'))
    const path = newPath('gone')
    const target = await openFileTarget(path)
    await target.write(records('a'))
    rmSync(path)
    await target.write(records('b'))
    assert.equal(readFileSync(path, 'utf8'), 'b\n')
    rmSync(join(directory, 'gone'), { recursive: true })
    const batch = records('c')
    await assert.rejects(target.write(batch), { code: 'ENOENT' })
    mkdirSync(join(directory, 'gone'))
    await target.write(batch)
    assert.equal(readFileSync(path, 'utf8'), 'c\n')
    target.close()
  })

  test('a line that a killed process left without its end does not take the next one with it', async () => {
    mkdirSync(join(directory, 'killed'))
    const path = newPath('killed')
    writeFileSync(path, 'a\n{"half')
    const target = await openFileTarget(path)
    await target.write(records('b'))
    assert.equal(readFileSync(path, 'utf8'), 'a\n{"half\nb\n')
    target.close()
  })

  test('a file that cannot be opened is an error at the start', async () => {
    await assert.rejects(openFileTarget(join(directory, 'missing', 'x')), { code: 'ENOENT' })
    await assert.rejects(openFileTarget(directory), { code: 'EISDIR' })
  })

  test('a full disk fails the write', { skip: !existsSync('/dev/full') && 'there is no /dev/full' }, async () => {
    const target = await openFileTarget('/dev/full')
    await assert.rejects(target.write(records('a')), { code: 'ENOSPC' })
    target.close()
  })

  test('a pipe without a reader, or with one that does not read, fails writes without blocking; then each line arrives once and whole', async () => {
    const path = join(directory, 'pipe')
    execFileSync('mkfifo', [path])
    const target = await openFileTarget(path)
    const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat(50)}`)
    const batch = records(...lines)
    await assert.rejects(target.write(batch), { code: 'ENXIO' })
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    await assert.rejects(target.write(batch), { code: 'EAGAIN' })
    let text = ''
    const buffer = Buffer.alloc(100_000)
    for (let isDone = false; !isDone; ) {
      text += buffer.toString('latin1', 0, readSync(reader, buffer))
      isDone = await target.write(batch).then(
        () => true,
        ({ code }) => code !== 'EAGAIN',
      )
    }
    text += buffer.toString('latin1', 0, readSync(reader, buffer))
    assert.deepEqual(text.split('\n'), [...lines, ''])
    target.close()
  })

  test('if it is reopened after a write that failed at once, the other file has all lines', async () => {
    mkdirSync(join(directory, 'failed'))
    const path = newPath('failed')
    const target = await openFileTarget(path)
    rmSync(join(directory, 'failed'), { recursive: true })
    const batch = records('a', 'b')
    await assert.rejects(target.write(batch), { code: 'ENOENT' })
    target.reopen()
    mkdirSync(join(directory, 'failed'))
    await target.write(batch)
    assert.equal(readFileSync(path, 'utf8'), 'a\nb\n')
    target.close()
  })

  test('if it is reopened in the middle of a line, the other file has that line as a whole', async () => {
    const path = join(directory, 'cut')
    execFileSync('mkfifo', [path])
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const target = await openFileTarget(path)
    const lines = Array.from({ length: 3000 }, (_, i) => `${i} ${'x'.repeat(50)}`)
    const batch = records(...lines)
    await assert.rejects(target.write(batch), { code: 'EAGAIN' })
    renameSync(path, `${path}.1`)
    target.reopen()
    await target.write(batch)
    const buffer = Buffer.alloc(200_000)
    const before = buffer.toString('latin1', 0, readSync(reader, buffer)).split('\n').slice(0, -1)
    const rest = readFileSync(path, 'latin1').split('\n').slice(0, -1)
    assert.deepEqual([...before, ...rest], lines)
    target.close()
  })
})
