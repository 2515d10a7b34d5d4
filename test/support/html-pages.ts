import { createDocsEndpoint } from '../../src/endpoints/docs.ts'
import { accountPage } from '../../src/endpoints/html/account-page.ts'
import { signInPage } from '../../src/endpoints/html/sign-in.ts'
import { confirmSignOutPage, signedOutPage } from '../../src/endpoints/html/sign-out.ts'
import { createStartPage } from '../../src/endpoints/start-page.ts'
import { type ErrorCode, errorTable, GatewayError } from '../../src/http/errors.ts'
import type { RequestContext } from '../../src/http/request-context.ts'
import type { GatewayResponse } from '../../src/http/response.ts'
import { createRenderError } from '../../src/server/error-response.ts'

const now = Date.UTC(2026, 10, 29, 9, 0)
const renderError = createRenderError('generic', { hasLogin: true })
const codes = Object.keys(errorTable).filter((code) => code !== 'client_closed') as ErrorCode[]
/** All HTML pages, by a path. */
export const htmlPages: ReadonlyMap<string, GatewayResponse> = new Map([
  ['/sign-in', signInPage({ state: 's', notice: undefined, providerPath: '/elastauth/begin' }, [])],
  [
    '/sign-in-rejected',
    signInPage({ state: 's', notice: { reason: 'rejected', username: 'ann' }, providerPath: undefined }, []),
  ],
  ['/signed-out', signedOutPage()],
  ['/docs', createDocsEndpoint(['health', 'whoami'])({} as RequestContext) as GatewayResponse],
  ['/start', createStartPage(true)({} as RequestContext) as GatewayResponse],
  [
    '/whoami',
    accountPage({
      identity: {
        username: 'x'.repeat(100),
        groups: ['g'.repeat(200), 'b'],
        email: 'ann@example.com',
        provider: 'oidc',
      },
      roles: [],
      denial: 'None of your groups is mapped to a role',
    }),
  ],
  [
    '/account',
    accountPage({
      identity: { username: 'ann', name: 'Ann Example', groups: ['staff', 'admins'], provider: 'oidc' },
      roles: ['viewer', 'superuser'],
      denial: undefined,
      sessions: [
        { id: 'a', signedInAt: now - 7_200_000, usedAt: now, browser: 'Firefox on Linux' },
        { id: 'b', signedInAt: now - 90_000_000, usedAt: now - 300_000, browser: 'Safari on iOS' },
        { id: 'c', signedInAt: undefined, usedAt: undefined, browser: undefined },
      ],
      currentId: 'a',
      now,
    }),
  ],
  ['/logout', confirmSignOutPage(new URL('http://localhost:9/end'))],
  ...codes.map((code): [string, GatewayResponse] => {
    const error = new GatewayError(code, 'private')
    return [
      `/${code}`,
      renderError({ headers: { accept: 'text/html' } }, error, '7c9e6679-7425-40de-944b-e07fc1f90ae7'),
    ]
  }),
])
