import { createHash, createHmac, hkdfSync } from 'node:crypto'

/**
 * The configured secret keys. New passwords are derived from the current key (`currentId`); passwords of previous keys remain
 * usable.
 */
export type Keyring = Readonly<{
  currentId: string
  /** The ids of all keys, sorted. */
  ids: readonly string[]
  knows: (keyId: string) => boolean
  /** The password of one version of a user. Throws for an unknown key, so check with `knows` first. */
  password: (keyId: string, username: string, created: string, version: number) => string
  /** The salt (32 bytes) for hashing the password, derived so that every replica uses the same salt. Throws for an unknown key. */
  passwordSalt: (keyId: string, username: string, created: string, version: number) => Buffer
  /** A message authentication code of 22 characters, which proves that the writer of `text` had the key. Throws for an unknown key. */
  seal: (keyId: string, text: string) => string
}>

/** @param secrets hex keys, the current one first */
export function createKeyring(secrets: readonly [string, ...string[]]): Keyring {
  const keys = new Map(secrets.map((hex) => [keyIdOf(hex), Buffer.from(hex, 'hex')]))
  const sealKeys = new Map([...keys].map(([id, key]) => [id, deriveSealKey(key)]))
  return Object.freeze({
    currentId: keyIdOf(secrets[0]),
    ids: [...keys.keys()].sort(),
    knows: (keyId: string) => keys.has(keyId),
    password(keyId: string, username: string, created: string, version: number) {
      return derive(find(keys, keyId), 'password', username, created, version).toString('base64url')
    },
    passwordSalt(keyId: string, username: string, created: string, version: number) {
      return derive(find(keys, keyId), 'password-salt', username, created, version)
    },
    seal(keyId: string, text: string) {
      return createHmac('sha256', find(sealKeys, keyId)).update(text).digest().subarray(0, 16).toString('base64url')
    },
  })
}

function find(keys: ReadonlyMap<string, Buffer>, keyId: string): Buffer {
  const key = keys.get(keyId)
  if (key === undefined) throw new Error(`no secret key has the id ${keyId}`)
  return key
}

/** Identifies a key by the first 8 hex digits of its SHA-256, which do not reveal the key. */
export function keyIdOf(hex: string): string {
  return createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex').slice(0, 8)
}

/**
 * HKDF-SHA256 (RFC 5869) of the secret key, 32 bytes.
 * NUL separates the parts of `info`, and no part can contain NUL, so no two users share an `info`.
 */
function derive(
  key: Buffer,
  label: 'password' | 'password-salt',
  username: string,
  created: string,
  version: number,
): Buffer {
  const info = [label, username, created, version].join('\0')
  return Buffer.from(hkdfSync('sha256', key, 'elastauth', info, 32))
}

/** Derives a separate key for seals, so that seals reveal nothing about passwords. */
function deriveSealKey(key: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', key, 'elastauth', 'seal', 32))
}
