/** A password hash with its parameters. `memory` is in KiB. */
export type PasswordHash =
  | Readonly<{ kind: 'argon2id'; memory: number; passes: number; parallelism: number; salt: string; tag: string }>
  | Readonly<{ kind: 'bcrypt'; cost: number; text: string }>

/** What elastauth accepts, so that one sign-in can occupy neither the memory nor the processor. `memory` is in KiB. */
export const hashLimits = Object.freeze({ memory: 256 * 1024, passes: 32, parallelism: 16, cost: 15 })

/** Parses a hash; a text says what is wrong with it. The hash is never part of the text. */
export function parsePasswordHash(text: string): PasswordHash | string {
  if (text.startsWith('$argon2id$')) return parseArgon2id(text)
  if (/^\$2[aby]\$/.test(text)) return parseBcrypt(text)
  return 'is not a hash of argon2id or bcrypt'
}

/** The PHC string format: https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md */
const phc =
  /^\$argon2id\$v=19\$m=(?<memory>[1-9]\d{0,8}),t=(?<passes>[1-9]\d{0,4}),p=(?<parallelism>[1-9]\d{0,4})\$(?<salt>[A-Za-z0-9+/]{11,86})\$(?<tag>[A-Za-z0-9+/]{22,86})$/

function parseArgon2id(text: string): PasswordHash | string {
  const { groups } = phc.exec(text) ?? {}
  if (groups === undefined) return 'is not a complete argon2id hash of version 19'
  const [memory, passes, parallelism] = [Number(groups.memory), Number(groups.passes), Number(groups.parallelism)]
  if (memory > hashLimits.memory) return `needs more than ${hashLimits.memory / 1024} MiB of memory (m=${memory})`
  if (passes > hashLimits.passes) return `has more than ${hashLimits.passes} passes (t=${passes})`
  if (parallelism > hashLimits.parallelism) return `has more than ${hashLimits.parallelism} lanes (p=${parallelism})`
  if (memory < 8 * parallelism) return `has less than 8 KiB of memory for each lane (m=${memory})` // RFC 9106, section 3.1
  return Object.freeze({ kind: 'argon2id', memory, passes, parallelism, salt: groups.salt!, tag: groups.tag! })
}

function parseBcrypt(text: string): PasswordHash | string {
  const [, digits] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text) ?? []
  if (digits === undefined) return 'is not a complete bcrypt hash'
  const cost = Number(digits)
  if (cost < 4) return 'has a cost below 4'
  if (cost > hashLimits.cost) return `has a cost above ${hashLimits.cost}, so a sign-in would take seconds`
  return Object.freeze({ kind: 'bcrypt', cost, text })
}

/** About how many microseconds it takes to compare a password with a hash. */
export function estimateCost(hash: PasswordHash): number {
  return hash.kind === 'argon2id' ? hash.memory * hash.passes : 60 * 2 ** hash.cost
}
