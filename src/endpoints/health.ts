import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/** `health` and `live`: the process runs and answers. Asks nobody else, so that a fault elsewhere restarts nothing. */
export function createHealthEndpoint(version: string): Handler {
  const answer = jsonResponse(200, { status: 'ok', version })
  return async () => answer
}
