import { stringify } from 'yaml'
import type { Handler } from '../http/handler.ts'
import { type Answer, answerWith } from '../http/response.ts'
import { pageAnswer } from './html/page.ts'
import { type OpenApi, summaryOf } from './openapi.ts'

/** `openapi.yaml` (media type: RFC 9512). */
export function createOpenApiPage(api: OpenApi): Handler {
  let answer: Answer | undefined
  return () => {
    answer ??= answerWith(200, 'application/yaml; charset=utf-8', stringify(api, { aliasDuplicateObjects: false }))
    return answer
  }
}

/** `docs`: the pages there are, for people. */
export function createDocsPage(names: readonly string[]): Handler {
  const entries = names.map((name) => ({ term: `/elastauth/${name}`, text: summaryOf(name) ?? '' }))
  return () =>
    pageAnswer({
      status: 200,
      heading: 'elastauth',
      paragraphs: ['What this gateway says of itself:'],
      entries,
      links: [{ to: '/elastauth/openapi.yaml', text: 'As an OpenAPI document' }],
    })
}
