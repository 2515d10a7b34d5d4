import type { Handler } from '../http/handler.ts'
import { jsonAnswer } from '../http/response.ts'

/** `health` and `live`: the process runs and answers. Asks nobody else, so that a fault elsewhere restarts nothing. */
export function createHealthPage(version: string): Handler {
  const answer = jsonAnswer(200, { status: 'ok', version })
  return async () => answer
}
