import { SpanKind } from '@opentelemetry/api'
import type { CustomFetch } from 'openid-client'
import type { Authenticate } from '../auth/authenticate.ts'
import { methodInName, recordResponse, requestAttributes } from './http-attributes.ts'
import type { Spans } from './spans.ts'

export type TraceAuthenticate = <User>(authenticate: Authenticate<User>) => Authenticate<User>

export function traceAuthenticate(spans: Spans): TraceAuthenticate {
  return (authenticate) => (context) =>
    spans.inChild('authenticate', { kind: SpanKind.INTERNAL }, async () => authenticate(context))
}

type DatabaseCall<Operation extends string> = <T>(operation: Operation, run: () => Promise<T>) => Promise<T>

/** Traces the calls to Elasticsearch or Redis. */
export function traceCalls<Operation extends string>(
  spans: Spans,
  system: 'elasticsearch' | 'redis',
  call: DatabaseCall<Operation>,
): DatabaseCall<Operation> {
  return function tracedCall(operation, run) {
    const attributes = { 'db.system.name': system, 'db.operation.name': operation }
    return spans.inChild(operation, { kind: SpanKind.CLIENT, attributes }, () => call(operation, run))
  }
}

/** Traces the requests to the identity provider. */
export function traceProviderFetch(spans: Spans, fetch: CustomFetch): CustomFetch {
  return async function tracedFetch(address, options) {
    const url = new URL(address)
    const attributes = requestAttributes(options.method, url, url.pathname)
    return spans.inChild(methodInName(options.method), { kind: SpanKind.CLIENT, attributes }, async (span) => {
      const response = await fetch(address, options)
      if (span !== undefined) recordResponse(span, response.status)
      return response
    })
  }
}
