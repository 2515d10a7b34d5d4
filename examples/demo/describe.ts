import { styleText } from 'node:util'
import type { Backend } from './backend.ts'

export type Demo = Readonly<{
  backend: Backend
  /** URL of the elastauth that reads identity headers. */
  headers: string
  /** URL of the one whose user is fixed. */
  fixed: string
  /** URL of the one in proxy mode, where there is one. */
  through: string | undefined
  /** URL of the one where people log in, where there is one. */
  login: string | undefined
}>

const identity = ['Remote-User: testuser', 'Remote-Groups: admins,users', 'Remote-Email: test@example.com']
  .map((header) => `-H '${header}'`)
  .join(' ')

/** What runs where, and lines to copy; they mean the same to bash and to zsh. */
export function describeDemo({ backend, headers, fixed, through, login }: Demo): string {
  const { url, what, caFile } = backend
  const verify = caFile === undefined ? '' : ` --cacert '${caFile}'`
  const authorization = `curl -s -D - -o /dev/null ${identity} ${headers}/ | grep -i '^authorization:' | tr -d '\\r'`
  return `
${bold('Elasticsearch')}  ${url}  ${what}
${bold('elastauth')}      ${headers}   takes the user from headers, as Authelia sends them (examples/demo/authelia.yml)
${bold('elastauth')}      ${fixed}   takes everybody for the user "developer" (examples/demo/static.yml)
${lines(through, (url) => `${bold('elastauth')}      ${url}   in proxy mode: requests go through it (examples/demo/proxy.yml)`)}\
${lines(login, (url) => `${bold('elastauth')}      ${url}   in proxy mode, and people log in (examples/demo/oidc.yml)`)}
1. Ask as Traefik would, once Authelia has let testuser in. The answer carries an Authorization header:

   curl -i ${identity} ${headers}/

2. Take that header and log in at Elasticsearch with it:

   curl -s${verify} -H "$(${authorization})" '${url}/_security/_authenticate?pretty'

3. No headers at all, but a fixed user, for local development:

   curl -i ${fixed}/
${lines(through, (url) => `\n4. Use Elasticsearch through the proxy, as the user "developer":\n\n   curl -s '${url}/_security/_authenticate?pretty'`)}\
${lines(login, (url) => `\nOpen this in a browser, and log in as alice or bob; there is no password:\n\n   ${url}/_security/_authenticate?pretty`)}
${bold('^C ends it.')}`
}

/** Of an elastauth that may not be there. */
function lines(url: string | undefined, describe: (url: string) => string): string {
  return url === undefined ? '' : `${describe(url)}\n`
}

function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout })
}
