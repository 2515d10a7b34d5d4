import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/**
 * `health` and `live`: the process responds. Depends on no other service, so that an outage elsewhere causes no
 * restart.
 */
export function createHealthEndpoint(version: string): Handler {
  const response = jsonResponse(200, { status: 'ok', version })
  return async () => response
}
