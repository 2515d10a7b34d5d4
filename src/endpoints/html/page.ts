import { createResponse, type GatewayResponse } from '../../http/response.ts'
import { style, styleHash } from './style.ts'

export type HtmlPage = Readonly<{
  status: number
  /** The page's title as well. */
  heading: string
  paragraphs: readonly string[]
  /** Addresses and what is found there. */
  definitions?: readonly Readonly<{ term: string; text: string }>[]
  /** Where one may go from here; the first is the likeliest. */
  links?: readonly Readonly<{ to: string; text: string }>[]
  /** A button that does something, before the links. */
  form?: Readonly<{ action: string; button: string }>
  /** In small print. */
  note?: string
  /** Name and value of what is to be said beside. */
  headers?: readonly string[]
  /** What `form-action` of the policy allows; nothing where absent. */
  formAction?: string
}>

/** A page for a person: whole in itself, without a script, and readable by whatever reads HTML. */
export function htmlResponse({ status, formAction = "'none'", headers = [], ...page }: HtmlPage): GatewayResponse {
  const answer = createResponse(status, 'text/html; charset=utf-8', render(page))
  const policy = `default-src 'none'; style-src ${styleHash}; base-uri 'none'; form-action ${formAction}; frame-ancestors 'none'`
  answer.headers.push('Content-Security-Policy', policy, 'X-Content-Type-Options', 'nosniff')
  // With `no-referrer` a browser would send `Origin: null` with our own form.
  answer.headers.push('Referrer-Policy', 'same-origin', ...headers)
  return answer
}

function render({
  heading,
  paragraphs,
  definitions = [],
  links = [],
  form,
  note,
}: Omit<HtmlPage, 'status' | 'formAction' | 'headers'>): string {
  const lines = paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`)
  if (definitions.length > 0) {
    const items = definitions.map(
      ({ term, text }) => `<dt><code>${escapeHtml(term)}</code></dt><dd>${escapeHtml(text)}</dd>`,
    )
    lines.push(`<dl>${items.join('')}</dl>`)
  }
  const actions = links.map(({ to, text }) => `<a href="${escapeHtml(to)}">${escapeHtml(text)}</a>`)
  if (form) {
    const button = `<button>${escapeHtml(form.button)}</button>`
    const all = [button, ...actions].join(' ')
    lines.push(`<form class="actions" method="post" action="${escapeHtml(form.action)}">${all}</form>`)
  } else if (actions.length > 0) {
    lines.push(`<p class="actions">${actions.join(' ')}</p>`)
  }
  if (note !== undefined) lines.push(`<small>${escapeHtml(note)}</small>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(heading)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(heading)}</h1>
${lines.join('\n')}
</main>
</body>
</html>
`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!)
}
