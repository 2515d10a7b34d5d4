import { styleText } from 'node:util'
import type { Backend } from './backend.ts'
import { demoIndex, demoPasswords } from './form.ts'

export type Demo = Readonly<{
  backend: Backend
  /** The instance of elastauth that reads identity headers. */
  headersUrl: string
  /** The instance with a static user. */
  staticUrl: string
  /** The instance in proxy mode, if it was started. */
  proxyUrl: string | undefined
  /** The instance where users sign in at an OpenID provider, if it was started. */
  loginUrl: string | undefined
  /** The instance where users sign in with a form, if it was started. */
  formUrl: string | undefined
}>

const identity = ['Remote-User: testuser', 'Remote-Groups: admins,users', 'Remote-Email: test@example.com']
  .map((header) => `-H '${header}'`)
  .join(' ')

/** What runs where, and commands to copy that work in bash and zsh. */
export function describeDemo({ backend, headersUrl, staticUrl, proxyUrl, loginUrl, formUrl }: Demo): string {
  const { url, description, caFile } = backend
  const verify = caFile === undefined ? '' : ` --cacert '${caFile}'`
  const authorization = `curl -s -D - -o /dev/null ${identity} ${headersUrl}/ | grep -i '^authorization:' | tr -d '\\r'`
  return `
${bold('Elasticsearch')}  ${url}  ${description}
${bold('elastauth')}      ${headersUrl}   reads the user from headers of Authelia (examples/demo/authelia.yml)
${bold('elastauth')}      ${staticUrl}   uses the static user "developer" for every request (examples/demo/static.yml)
${ifStarted(proxyUrl, (url) => `${bold('elastauth')}      ${url}   proxy mode: forwards requests (examples/demo/proxy.yml)`)}\
${ifStarted(loginUrl, (url) => `${bold('elastauth')}      ${url}   proxy mode with sign-in at an OpenID provider (examples/demo/oidc.yml)`)}\
${ifStarted(formUrl, (url) => `${bold('elastauth')}      ${url}   proxy mode with a sign-in form (examples/demo/users.yml)`)}
1. Send a sub-request as Traefik does after Authelia has authenticated testuser. The response has an Authorization header:

   curl -i ${identity} ${headersUrl}/

2. Use that header to authenticate to Elasticsearch:

   curl -s${verify} -H "$(${authorization})" '${url}/_security/_authenticate?pretty'

3. Send a request without headers, as the static user for local development:

   curl -i ${staticUrl}/
${ifStarted(proxyUrl, (url) => `\n4. Use Elasticsearch through the proxy, as the user "developer":\n\n   curl -s '${url}/_security/_authenticate?pretty'`)}\
${ifStarted(loginUrl, (url) => `\nOpen this URL in a browser and sign in as alice or bob, without a password:\n\n   ${url}/_security/_authenticate?pretty`)}
\
${ifStarted(formUrl, (url) => describeForm(url, backend))}
${bold('Stop the demo with Ctrl+C.')}`
}

/** What two users with different rights may try in a browser. */
function describeForm(url: string, { hasIndices }: Backend): string {
  const index = hasIndices ? `alice may read this index, and bob may not: ${url}/${demoIndex}/_search?pretty\n   ` : ''
  return `
Open this URL in a browser and sign in as alice with the password "${demoPasswords.alice}", or as bob with "${demoPasswords.bob}":

   ${url}/_security/_authenticate?pretty

   ${index}your account:  ${url}/elastauth/whoami
   sign out:      ${url}/elastauth/logout

Scripts send the same password:

   curl -s -u 'alice:${demoPasswords.alice}' '${url}/_security/_authenticate?pretty'`
}

/** A line about an optional instance. */
function ifStarted(url: string | undefined, describe: (url: string) => string): string {
  return url === undefined ? '' : `${describe(url)}\n`
}

function bold(text: string): string {
  return styleText('bold', text, { stream: process.stdout })
}
