import { createResponse, type GatewayResponse } from '../../http/response.ts'
import { escapeHtml } from './escape.ts'
import { type ListForm, renderListForm } from './list-form.ts'
import { style, styleHash } from './style.ts'

export type HtmlPage = Readonly<{
  status: number
  /** Also the title of the page. */
  heading: string
  paragraphs: readonly string[]
  /** A list of terms and their descriptions. A path is shown as code. */
  definitions?: readonly Readonly<{ term: string; text: string }>[]
  /** The first link is shown as the main action. */
  links?: readonly Readonly<{ to: string; text: string }>[]
  /** A form with one button: before the links, or if it has fields, after them as an alternative. */
  form?: Readonly<{ action: string; button: string; fields?: readonly FormField[] }>
  /** A list with a form, below the links. */
  list?: ListForm
  /** An error that screen readers announce, below the heading. */
  alert?: string | undefined
  /** A paragraph in small print. */
  note?: string
  /** Additional response headers, as alternating names and values. */
  headers?: readonly string[]
  /** The `form-action` of the Content-Security-Policy; `'none'` by default. */
  formAction?: string
}>

/** @property label undefined for a hidden field @property attributes additional attributes of the input */
export type FormField = Readonly<{
  name: string
  value?: string
  label?: string
  attributes?: Readonly<Record<string, string>>
}>

/** An HTML page without scripts or external files. */
export function htmlResponse({ status, formAction = "'none'", headers = [], ...page }: HtmlPage): GatewayResponse {
  const response = createResponse(status, 'text/html; charset=utf-8', render(page))
  const policy = `default-src 'none'; style-src ${styleHash}; base-uri 'none'; form-action ${formAction}; frame-ancestors 'none'`
  response.headers.push('Content-Security-Policy', policy, 'X-Content-Type-Options', 'nosniff')
  // Not `no-referrer`, with which browsers would send `Origin: null` for the page's own form, and the CSRF check would
  // reject it.
  response.headers.push('Referrer-Policy', 'same-origin', ...headers)
  return response
}

function render({
  heading,
  paragraphs,
  definitions = [],
  links = [],
  form,
  list,
  alert,
  note,
}: Omit<HtmlPage, 'status' | 'formAction' | 'headers'>): string {
  const lines = paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`)
  if (alert !== undefined) lines.unshift(`<p class="alert" id="alert" role="alert">${escapeHtml(alert)}</p>`)
  if (definitions.length > 0) {
    const items = definitions.map(({ term, text }) => `<dt>${renderTerm(term)}</dt><dd>${escapeHtml(text)}</dd>`)
    lines.push(`<dl>${items.join('')}</dl>`)
  }
  const actions = links.map(({ to, text }) => `<a href="${escapeHtml(to)}">${escapeHtml(text)}</a>`)
  if (form?.fields) {
    if (actions.length > 0)
      lines.push(`<p class="actions alternative">${actions.join(' ')}</p>`, '<p class="or">or</p>')
    const fields = form.fields.map((field) => renderField(field, alert !== undefined)).join('\n')
    const button = `<p class="actions"><button>${escapeHtml(form.button)}</button></p>`
    lines.push(`<form method="post" action="${escapeHtml(form.action)}">\n${fields}\n${button}\n</form>`)
  } else if (form) {
    const button = `<button>${escapeHtml(form.button)}</button>`
    const content = [button, ...actions].join(' ')
    lines.push(`<form class="actions" method="post" action="${escapeHtml(form.action)}">${content}</form>`)
  } else if (actions.length > 0) {
    lines.push(`<p class="actions">${actions.join(' ')}</p>`)
  }
  if (list !== undefined) lines.push(renderListForm(list))
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

/** @param isInvalid whether the page has an alert, which then describes the visible fields */
function renderField({ name, value = '', label, attributes = {} }: FormField, isInvalid: boolean): string {
  if (label === undefined) return `<input type="hidden" name="${name}" value="${escapeHtml(value)}">`
  const described = isInvalid ? { 'aria-describedby': 'alert', 'aria-invalid': 'true' } : {}
  const all = { id: name, name, value, ...described, ...attributes }
  const text = Object.entries(all).map(([key, one]) => (one === '' ? key : `${key}="${escapeHtml(one)}"`))
  return `<label for="${name}">${escapeHtml(label)}</label>\n<input ${text.join(' ')}>`
}

function renderTerm(term: string): string {
  return term.startsWith('/') ? `<code>${escapeHtml(term)}</code>` : escapeHtml(term)
}
