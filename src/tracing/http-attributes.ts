import { type Attributes, type Span, SpanStatusCode } from '@opentelemetry/api'
import { withoutBrackets } from '../../config/hosts.ts'
import { standardMethods } from '../http/handler.ts'

/** The method in the name of a span. */
export function methodInName(method: string): string {
  return standardMethods.includes(method) ? method : 'HTTP'
}

export function methodAttribute(method: string): Attributes {
  return { 'http.request.method': standardMethods.includes(method) ? method : '_OTHER' }
}

/** Attributes of a request to a server. The query and credentials of the URL are left out, because they may be secret. */
export function requestAttributes(method: string, { origin, hostname, port, protocol }: URL, path: string): Attributes {
  return {
    ...methodAttribute(method),
    'server.address': withoutBrackets(hostname),
    'server.port': Number(port || (protocol === 'https:' ? 443 : 80)),
    'url.full': origin + path,
  }
}

/** Records the status of a response to a request that elastauth sent. */
export function recordResponse(span: Span, status: number): void {
  span.setAttribute('http.response.status_code', status)
  if (status < 400) return
  span.setAttribute('error.type', String(status))
  span.setStatus({ code: SpanStatusCode.ERROR })
}
