import { createHash } from 'node:crypto'

/** The style sheet, inlined so that a page needs no other file. Its contrast meets WCAG AA in light and dark mode. */
export const style = `
:root { color-scheme: light dark; --text: #1d1e24; --quiet: #535966; --page: #f6f8fb; --card: #fff; --line: #d3dae6; --action: #0061a6; --error: #a11a10; --on-action: #fff }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9f0; --quiet: #a9b1c2; --page: #101217; --card: #1a1d24; --line: #363c48; --action: #7cb8f0; --error: #ff9d94; --on-action: #0b1420 }
}
* { box-sizing: border-box }
body { margin: 0; padding: 12vh 1rem 2rem; background: var(--page); color: var(--text); font: 1rem/1.55 system-ui, sans-serif }
main { max-width: 34rem; margin: 0 auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
h2 { margin: 2rem 0 .75rem; font-size: 1.125rem; line-height: 1.25; overflow-wrap: anywhere }
p, dd { margin: 0 0 1rem; overflow-wrap: anywhere }
dt { font-weight: 600 }
main > :last-child { margin-bottom: 0 }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.5rem 0 }
.actions a, .actions button { padding: .6rem 1.1rem; border: 1px solid var(--action); border-radius: .375rem; color: var(--action); background: none; font: inherit; font-weight: 600; text-decoration: none; text-align: center; cursor: pointer }
ul { margin: 0; padding: 0; list-style: none }
li { display: flex; align-items: center; justify-content: space-between; gap: 1rem; padding: .75rem 0; border-top: 1px solid var(--line) }
em { display: inline-block; padding: 0 .4rem; border: 1px solid var(--quiet); border-radius: .375rem; color: var(--quiet); font-size: .8125rem; font-style: normal }
.more { display: flex; flex-wrap: wrap; gap: .75rem; margin: .75rem 0 0 }
li a, li button, .more button { flex: none; padding: .4rem .8rem; border: 1px solid var(--action); border-radius: .375rem; color: var(--action); background: none; font: inherit; font-weight: 600; text-decoration: none; cursor: pointer }
.actions > :first-child { background: var(--action); color: var(--on-action) }
:focus-visible { outline: 3px solid var(--action); outline-offset: 3px }
label { display: block; margin-bottom: .25rem; font-weight: 600 }
input { display: block; width: 100%; margin-bottom: 1rem; padding: .6rem .75rem; border: 1px solid var(--quiet); border-radius: .375rem; background: var(--page); color: var(--text); font: inherit }
form .actions:last-child { margin-bottom: 0 }
form .actions button, .alternative a { flex: 1 }
.alternative > :first-child { background: none; color: var(--action) }
.or { display: flex; align-items: center; gap: .75rem; color: var(--quiet) }
.or::before, .or::after { content: ''; flex: 1; border-top: 1px solid var(--line) }
.alert { padding: .6rem .75rem; border-left: .25rem solid var(--error); background: var(--page); color: var(--error); font-weight: 600 }
small { display: block; color: var(--quiet); font-size: .875rem; overflow-wrap: anywhere }
code { font-family: ui-monospace, monospace }
@media (max-width: 30rem) { body { padding-top: 2rem } main { padding: 1.5rem } }
@media (forced-colors: active) { .actions a, .actions button, li a, li button, .more button { border-color: currentColor } }
`

/** The Content-Security-Policy source expression that allows the style sheet (CSP Level 3, section 2.3.1). */
export const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`
