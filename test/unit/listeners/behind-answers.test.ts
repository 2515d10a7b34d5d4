import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { createBehindAnswers } from '../../../src/listeners/behind-answers.ts'

function answering() {
  const socket = {} as Socket
  const said: string[] = []
  const { follow, speak } = createBehindAnswers()
  return {
    /** An answer that is still to be given, and a way to give it. */
    ask() {
      const response = Object.assign(new EventEmitter(), {
        req: { socket, complete: true },
        writableFinished: false,
        closed: false,
        shouldKeepAlive: true,
      })
      follow(response as unknown as ServerResponse)
      return () => {
        Object.assign(response, { writableFinished: true, closed: true })
        response.emit('close')
      }
    },
    speak: (word: string) => speak(socket, () => said.push(word)),
    said,
  }
}

test('a time-out of the next head is not spoken of when that came whole, while an answer was under way', () => {
  const { ask, speak, said } = answering()
  const answerFirst = ask()
  speak('408')
  const answerSecond = ask()
  answerFirst()
  assert.deepEqual(said, [])
  speak('400')
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
