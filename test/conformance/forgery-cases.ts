import { type Case, original, type People, single } from './case.ts'
import { type Header, isSameName } from './message.ts'

const guessed: Header = ['Authorization', `Basic ${Buffer.from('elastic:changeme').toString('base64')}`]
const claims: readonly Header[] = [
  ['X-Forwarded-For', '127.0.0.1'],
  ['X-Real-IP', '127.0.0.1'],
  ['Forwarded', 'for=127.0.0.1;host=localhost'],
]
const elsewhere: readonly Header[] = [
  ['X-Forwarded-Uri', '/favicon.ico'],
  ['X-Forwarded-Method', 'OPTIONS'],
  ['X-Original-URL', 'https://app.example.com/favicon.ico'],
]

/** What a client may put into its request, and a careless proxy leaves there. */
export function forgeryCases({ user, other }: People, ownPaths: readonly string[]): Case[] {
  const asserted = other.filter(([name]) => !isSameName(name, 'Cookie') && !isSameName(name, 'Authorization'))
  const isByAuthorization = [...user, ...other].some(([name]) => isSameName(name, 'Authorization'))
  const aliases = (sign: string) => asserted.map(([name, value]): Header => [name.replaceAll('-', sign), value])
  const named = asserted.map(([name]) => name).join(', ')
  return [
    single('claims about its own address let nobody in', 'nobody', original(claims)),
    single('a claim to ask for something else lets nobody in', 'nobody', original(elsewhere)),
    ...ownPaths.map((target) =>
      single(`${target} of the service behind is not open`, 'nobody', original([], { target })),
    ),
    ...(isByAuthorization
      ? []
      : [
          single('its own Authorization lets nobody in', 'nobody', original([guessed])),
          single('its own Authorization is not what a user gets', 'user', original([...user, guessed])),
        ]),
    ...(asserted.length === 0
      ? []
      : [
          single('a second identity beside the first', 'not other', original([...user, ...asserted])),
          single('a second identity before the first', 'not other', original([...asserted, ...user])),
          single('an alias with _ beside the identity', 'not other', original([...user, ...aliases('_')])),
          single('an alias with . beside the identity', 'not other', original([...user, ...aliases('.')])),
          single('an alias with _ for an identity', 'nobody', original(aliases('_'))),
          single('Connection names the identity', 'not other', original([...user, ['Connection', named]])),
        ]),
  ]
}
