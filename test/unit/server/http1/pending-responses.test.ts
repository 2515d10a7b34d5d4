import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { createPendingResponses } from '../../../../src/server/http1/pending-responses.ts'

function answering() {
  const socket = Object.assign(new EventEmitter(), { writable: true }) as Socket
  const said: string[] = []
  const { add, remove, runWhenFlushed } = createPendingResponses(() => {})
  return {
    /** An answer that is still to be given, and a way to give it. */
    ask() {
      const response = Object.assign(new EventEmitter(), {
        req: { socket, complete: true },
      })
      const answer = response as unknown as ServerResponse
      add(answer)
      response.on('close', () => remove(answer))
      return () => response.emit('close')
    },
    speak: (word: string) => runWhenFlushed(socket, () => said.push(word)),
    said,
  }
}

test('a time-out of the next head is not spoken of when that came whole, while an answer was under way', () => {
  const { ask, speak, said } = answering()
  const answerFirst = ask()
  speak('408')
  const answerSecond = ask()
  speak('400') // behind the second one
  answerFirst()
  assert.deepEqual(said, [])
  answerSecond()
  assert.deepEqual(said, ['400'])
})

test('of many faults behind one answer the first is spoken of', () => {
  const { ask, speak, said } = answering()
  const answer = ask()
  for (const word of ['first', 'second', 'third']) speak(word)
  answer()
  assert.deepEqual(said, ['first'])
})
