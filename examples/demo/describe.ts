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
}>

const identity = ['Remote-User: testuser', 'Remote-Groups: admins,users', 'Remote-Email: test@example.com']
  .map((header) => `-H '${header}'`)
  .join(' ')

/** What runs where, and lines to copy; they mean the same to bash and to zsh. */
export function describeDemo({ backend, headers, fixed, through }: Demo): string {
  const { url, what, caFile } = backend
  const verify = caFile === undefined ? '' : ` --cacert '${caFile}'`
  const authorization = `curl -s -D - -o /dev/null ${identity} ${headers}/ | grep -i '^authorization:' | tr -d '\\r'`
  return `
${bold('Elasticsearch')}  ${url}  ${what}
${bold('elastauth')}      ${headers}   takes the user from headers, as Authelia sends them (examples/demo/authelia.yml)
${bold('elastauth')}      ${fixed}   takes everybody for the user "developer" (examples/demo/static.yml)
${through === undefined ? '' : `${bold('elastauth')}      ${through}   in proxy mode: requests go through it (examples/demo/proxy.yml)\n`}
1. Ask as Traefik would, once Authelia has let testuser in. The answer carries an Authorization header:

   curl -i ${identity} ${headers}/

2. Take that header and log in at Elasticsearch with it:

   curl -s${verify} -H "$(${authorization})" '${url}/_security/_authenticate?pretty'

3. No headers at all, but a fixed user, for local development:

   curl -i ${fixed}/
${through === undefined ? '' : `\n4. Use Elasticsearch through the proxy, as the user "developer":\n\n   curl -s '${through}/_security/_authenticate?pretty'\n`}
${bold('^C ends it.')}`
}

function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout })
}
