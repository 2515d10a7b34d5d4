import type { GatewayResponse } from '../../http/response.ts'
import { htmlResponse } from './page.ts'

export type SignIn = Readonly<{
  /** The value of the hidden field `state`. */
  state: string
  /** Why the form is shown again, and the username to keep. */
  notice: Readonly<{ reason: 'rejected' | 'expired'; username: string }> | undefined
  /** Where the sign-in at the identity provider begins; undefined if there is no provider. */
  providerPath: string | undefined
}>

/** The same text for an unknown user and a wrong password, so that usernames cannot be enumerated. */
const alerts = {
  rejected: 'The username or the password is wrong.',
  expired: 'This page was open for too long, or its cookie is missing. Sign in again.',
}

/** The form for username and password. Password managers recognize it by `autocomplete`. */
export function signInPage({ state, notice, providerPath }: SignIn, headers: readonly string[]): GatewayResponse {
  const username = notice?.username ?? ''
  const focusName = username === ''
  return htmlResponse({
    status: 200,
    heading: 'Sign in',
    alert: notice && alerts[notice.reason],
    paragraphs: [],
    links: providerPath === undefined ? [] : [{ to: providerPath, text: 'Single sign-on' }],
    form: {
      action: '/elastauth/login',
      button: 'Sign in',
      fields: [
        { name: 'state', value: state },
        {
          name: 'username',
          label: 'Username',
          value: username,
          attributes: {
            autocomplete: 'username',
            autocapitalize: 'none',
            autocorrect: 'off',
            spellcheck: 'false',
            required: '',
            ...(focusName && { autofocus: '' }),
          },
        },
        {
          name: 'password',
          label: 'Password',
          attributes: {
            type: 'password',
            autocomplete: 'current-password',
            required: '',
            ...(!focusName && { autofocus: '' }),
          },
        },
      ],
    },
    formAction: "'self'",
    headers,
  })
}
