import type { Header } from '../support/raw-http.ts'
import { type Case, original, type People, single } from './case.ts'
import { isSameName } from './message.ts'

const guessed: Header = ['Authorization', `Basic ${Buffer.from('elastic:changeme').toString('base64')}`]
const clientAddress: readonly Header[] = [
  ['X-Forwarded-For', '127.0.0.1'],
  ['X-Real-IP', '127.0.0.1'],
  ['Forwarded', 'for=127.0.0.1;host=localhost'],
]
const otherRequest: readonly Header[] = [
  ['X-Forwarded-Uri', '/favicon.ico'],
  ['X-Forwarded-Method', 'OPTIONS'],
  ['X-Original-URL', 'https://app.example.com/favicon.ico'],
]

/** Headers that a client may forge, and that a misconfigured proxy does not strip. */
export function forgeryCases({ user, other }: People, ownPaths: readonly string[]): Case[] {
  const asserted = other.filter(([name]) => !isSameName(name, 'Cookie') && !isSameName(name, 'Authorization'))
  const isByAuthorization = [...user, ...other].some(([name]) => isSameName(name, 'Authorization'))
  const aliases = (separator: string) =>
    asserted.map(([name, value]): Header => [name.replaceAll('-', separator), value])
  const named = asserted.map(([name]) => name).join(', ')
  return [
    single('a forged client address: denied', 'denied', original(clientAddress)),
    single('a forged original request: denied', 'denied', original(otherRequest)),
    ...ownPaths.map((target) => single(`${target} of the application: denied`, 'denied', original([], { target }))),
    ...(isByAuthorization
      ? []
      : [
          single('a guessed Authorization: denied', 'denied', original([guessed])),
          single(
            'a guessed Authorization does not replace the credential of a user',
            'user',
            original([...user, guessed]),
          ),
        ]),
    ...(asserted.length === 0
      ? []
      : [
          single('a second identity beside the first', 'not other', original([...user, ...asserted])),
          single('a second identity before the first', 'not other', original([...asserted, ...user])),
          single('an alias with _ beside the identity', 'not other', original([...user, ...aliases('_')])),
          single('an alias with . beside the identity', 'not other', original([...user, ...aliases('.')])),
          single('an alias with _ instead of the identity', 'denied', original(aliases('_'))),
          single('Connection names the identity', 'not other', original([...user, ['Connection', named]])),
        ]),
  ]
}
