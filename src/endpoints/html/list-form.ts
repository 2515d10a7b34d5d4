import { escapeHtml } from './escape.ts'

/** A form with a button for each item of a list. */
export type ListForm = Readonly<{
  heading: string
  action: string
  items: readonly ListItem[]
  /** Buttons below the list. */
  buttons: readonly FormButton[]
}>

/** @property mark a short text beside the title @property control the button or the link of the item */
export type ListItem = Readonly<{
  title: string
  mark?: string | undefined
  text: string
  control: FormButton | Readonly<{ to: string; text: string }>
}>

/** @property label the button's name for screen readers, if `text` alone is ambiguous */
export type FormButton = Readonly<{ name: string; value: string; text: string; label?: string }>

export function renderListForm({ heading, action, items, buttons }: ListForm): string {
  const below = buttons.map(renderControl).join(' ')
  return `<h2 id="list">${escapeHtml(heading)}</h2>
<form method="post" action="${escapeHtml(action)}" aria-labelledby="list">
<ul>
${items.map(renderItem).join('\n')}
</ul>
${below && `<p class="more">${below}</p>\n`}</form>`
}

function renderItem({ title, mark, text, control }: ListItem): string {
  const marked = mark === undefined ? '' : ` <em>${escapeHtml(mark)}</em>`
  const content = `<strong>${escapeHtml(title)}</strong>${marked}<small>${escapeHtml(text)}</small>`
  return `<li><div>${content}</div>${renderControl(control)}</li>`
}

function renderControl(control: ListItem['control']): string {
  const text = escapeHtml(control.text)
  if ('to' in control) return `<a href="${escapeHtml(control.to)}">${text}</a>`
  const { name, value, label } = control
  const aria = label === undefined ? '' : ` aria-label="${escapeHtml(label)}"`
  return `<button name="${escapeHtml(name)}" value="${escapeHtml(value)}"${aria}>${text}</button>`
}
