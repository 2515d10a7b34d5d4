import type { OutgoingHttpHeaders } from 'node:http'

/** `body` undefined sends none. */
export type Answer = { status: number; body?: unknown; headers?: OutgoingHttpHeaders }

const product = { 'X-elastic-product': 'Elasticsearch' }
const challenges = ['Basic realm="security", charset="UTF-8"', 'ApiKey']

/** Thrown by an endpoint to end with that answer. */
export class Refusal extends Error {
  readonly answer: Answer
  constructor(answer: Answer) {
    super(`refused with ${answer.status}`)
    this.answer = answer
  }
}

export function accept(body: unknown, status = 200): Answer {
  return { status, body, headers: product }
}

/** An error in Elasticsearch's shape. */
export function refuse(status: number, type: string, reason: string): Refusal {
  return new Refusal({ status, body: errorBody(status, { type, reason }), headers: product })
}

/** Elasticsearch's words for what the request's own check finds. */
export function refuseInvalid(reason: string, type = 'action_request_validation_exception'): Refusal {
  return refuse(400, type, `Validation Failed: 1: ${reason};`)
}

/** 401 as Elasticsearch sends it: both challenges, and no product header. */
export function refuseLogin(reason: string): Refusal {
  const error = { type: 'security_exception', reason, header: { 'WWW-Authenticate': challenges } }
  return new Refusal({ status: 401, body: errorBody(401, error), headers: { 'WWW-Authenticate': challenges } })
}

/** 403 as Elasticsearch sends it: without the product header. */
export function refuseAction(action: string, user: string, roles: string, grantedBy: string[]): Refusal {
  const reason =
    `action [${action}] is unauthorized for user [${user}] with effective roles ${roles}, ` +
    `this action is granted by the cluster privileges [${grantedBy.join(',')}]`
  return new Refusal({ status: 403, body: errorBody(403, { type: 'security_exception', reason }) })
}

export function refuseMethod(method: string, path: string, allowed: string[]): Refusal {
  const error = `Incorrect HTTP method for uri [${path}] and method [${method}], allowed: [${allowed.join(', ')}]`
  return new Refusal({ status: 405, body: { error, status: 405 }, headers: { ...product, Allow: allowed.join(',') } })
}

function errorBody(status: number, error: Record<string, unknown>) {
  return { error: { root_cause: [error], ...error }, status }
}
