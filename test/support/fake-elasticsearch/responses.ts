import type { OutgoingHttpHeaders } from 'node:http'

/** `body` undefined sends none. */
export type FakeResponse = { status: number; body?: unknown; headers?: OutgoingHttpHeaders }

const product = { 'X-elastic-product': 'Elasticsearch' }
const challenges = ['Basic realm="security", charset="UTF-8"', 'ApiKey']

/** Thrown by an endpoint to end the request with this response. */
export class Rejection extends Error {
  readonly response: FakeResponse
  constructor(response: FakeResponse) {
    super(`rejected with ${response.status}`)
    this.response = response
  }
}

export function accept(body: unknown, status = 200): FakeResponse {
  return { status, body, headers: product }
}

/** An error in Elasticsearch's shape. */
export function reject(status: number, type: string, reason: string): Rejection {
  return new Rejection({ status, body: errorBody(status, { type, reason }), headers: product })
}

/** The error of Elasticsearch's request validation. */
export function rejectInvalid(reason: string, type = 'action_request_validation_exception'): Rejection {
  return reject(400, type, `Validation Failed: 1: ${reason};`)
}

/** 401 as Elasticsearch sends it: both challenges, and no product header. */
export function rejectLogin(reason: string): Rejection {
  const error = { type: 'security_exception', reason, header: { 'WWW-Authenticate': challenges } }
  return new Rejection({ status: 401, body: errorBody(401, error), headers: { 'WWW-Authenticate': challenges } })
}

/** 403 as Elasticsearch sends it: without the product header. */
export function rejectAction(action: string, user: string, roles: string, grantedBy: string[]): Rejection {
  const reason =
    `action [${action}] is unauthorized for user [${user}] with effective roles ${roles}, ` +
    `this action is granted by the cluster privileges [${grantedBy.join(',')}]`
  return new Rejection({ status: 403, body: errorBody(403, { type: 'security_exception', reason }) })
}

export function rejectMethod(method: string, path: string, allowed: string[]): Rejection {
  const error = `Incorrect HTTP method for uri [${path}] and method [${method}], allowed: [${allowed.join(', ')}]`
  return new Rejection({ status: 405, body: { error, status: 405 }, headers: { ...product, Allow: allowed.join(',') } })
}

function errorBody(status: number, error: Record<string, unknown>) {
  return { error: { root_cause: [error], ...error }, status }
}
