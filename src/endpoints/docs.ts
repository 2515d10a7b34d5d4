import { stringify } from 'yaml'
import type { Handler } from '../http/handler.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'
import { htmlResponse } from './html/page.ts'
import { type OpenApi, summaryOf } from './openapi.ts'

/** `openapi.yaml` (media type: RFC 9512). */
export function createOpenApiEndpoint(api: OpenApi): Handler {
  let answer: GatewayResponse | undefined
  return () => {
    answer ??= createResponse(200, 'application/yaml; charset=utf-8', stringify(api, { aliasDuplicateObjects: false }))
    return answer
  }
}

/** `docs`: the pages there are, for people. */
export function createDocsEndpoint(names: readonly string[]): Handler {
  const definitions = names.map((name) => ({ term: `/elastauth/${name}`, text: summaryOf(name) ?? '' }))
  return () =>
    htmlResponse({
      status: 200,
      heading: 'elastauth',
      paragraphs: ['What this gateway says of itself:'],
      definitions,
      links: [{ to: '/elastauth/openapi.yaml', text: 'As an OpenAPI document' }],
    })
}
