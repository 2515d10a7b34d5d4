import type { Handler } from '../server.ts'
import { sendJson } from './json.ts'

/** `health` and `live`: the process runs and answers. Asks nobody else, so that a fault elsewhere restarts nothing. */
export function createHealthPage(version: string): Handler {
  return async function sendHealth(_request, response) {
    sendJson(response, 200, { status: 'ok', version })
    return undefined
  }
}
