import type { Handler } from '../http/handler.ts'
import { createResponse, type GatewayResponse } from '../http/response.ts'
import { htmlResponse } from './html/page.ts'
import { type OpenApi, summaryOf } from './openapi.ts'

/** The endpoint `openapi.yaml`. Its media type is defined by RFC 9512. */
export function createOpenApiEndpoint(api: OpenApi): Handler {
  let response: GatewayResponse | undefined
  return async () => {
    const { stringify } = await import('yaml') // not needed at start
    response ??= createResponse(
      200,
      'application/yaml; charset=utf-8',
      stringify(api, { aliasDuplicateObjects: false }),
    )
    return response
  }
}

/** The endpoint `docs`: an HTML page that lists the other endpoints. */
export function createDocsEndpoint(names: readonly string[]): Handler {
  const definitions = names.map((name) => ({ term: `/elastauth/${name}`, text: summaryOf(name) ?? '' }))
  return () =>
    htmlResponse({
      status: 200,
      heading: 'elastauth',
      paragraphs: ['Endpoints of this gateway:'],
      definitions,
      links: [{ to: '/elastauth/openapi.yaml', text: 'OpenAPI document' }],
    })
}
