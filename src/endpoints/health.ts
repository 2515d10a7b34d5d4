import type { Handler } from '../http/handler.ts'
import { jsonResponse } from '../http/response.ts'

/**
 * The endpoints `health` and `live`. They depend on no other service, so that an outage of Elasticsearch or Redis does
 * not restart elastauth.
 */
export function createHealthEndpoint(version: string): Handler {
  const response = { ...jsonResponse(200, { status: 'ok', version }), isProbe: true }
  return async () => response
}
