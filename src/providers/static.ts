import type { Identity } from '../auth/identity.ts'
import type { Provider } from './index.ts'

/** One identity for everybody who can connect: for local development. */
export function createStaticProvider(identity: Identity): Provider {
  return () => identity
}
