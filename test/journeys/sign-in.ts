import type { Page } from 'playwright-core'

/** The sign-in page of a product, as CSS selectors. */
export type SignInPage = Readonly<{
  /** A link to the page, if another one comes first. */
  link?: string
  username: string
  password: string
  submit: string
  /** Says why a sign-in has failed. */
  alert: string
  /** What a user without a session sees instead of Kibana. */
  signInPrompt: string
  /** What users see when they have signed out. */
  signedOut: string
}>

const ownForm = {
  username: 'input[name=username]',
  password: 'input[name=password]',
  submit: 'main form button',
  alert: '#alert',
  signInPrompt: 'input[name=username]',
  signedOut: 'h1:text-is("You are signed out")',
}

export const signInPages: Readonly<Record<string, SignInPage>> = {
  // authelia/authelia: internal/suites/action_login.go, verify_notification.go
  authelia: {
    username: '#username-textfield',
    password: '#password-textfield',
    submit: '#sign-in-button',
    alert: '.notification',
    signInPrompt: '#username-textfield',
    signedOut: '#username-textfield',
  },
  // dexidp/dex: web/templates/password.html
  dex: {
    link: 'main a[href*="with=provider"]',
    username: '#login',
    password: '#password',
    submit: '#submit-login',
    alert: '#login-error',
    signInPrompt: ownForm.signInPrompt,
    signedOut: ownForm.signedOut,
  },
  // keycloak/keycloak: themes/src/main/resources/theme/keycloak.v2/login/login.ftl
  keycloak: {
    username: '#username',
    password: '#password',
    submit: '#kc-login',
    alert: '[id^=input-error]',
    signInPrompt: '#kc-login',
    signedOut: ownForm.signedOut,
  },
  // src/endpoints/html/sign-in.ts, sign-out.ts
  form: ownForm,
}

type Person = Readonly<{ url: string; login: string; password: string }>

/** Opens Kibana, signs in on the page that this leads to, and waits until Kibana opens. */
export async function signIn(page: Page, form: SignInPage, { url, login, password }: Person): Promise<void> {
  await page.goto(`${url}/app/discover`)
  if (form.link !== undefined) await page.locator(form.link).click()
  await page.locator(form.username).fill(login)
  await page.locator(form.password).fill(password)
  await page.locator(form.submit).click()
  const alert = page.locator(form.alert).first()
  const rejected = alert.waitFor().then(async () => {
    throw new Error(`the sign-in page says: ${await alert.innerText()}`)
  })
  rejected.catch(() => {}) // after a successful sign-in, it rejects when the page closes
  await Promise.race([page.waitForURL(`${url}/app/**`, { waitUntil: 'commit' }), rejected])
}
