import { loadCrypto } from '../load-crypto.ts'
import { type Format, textFormat } from './format.ts'

/** Placeholder keys in the documentation's examples. They are accepted so that the examples run unchanged. */
const placeholders = ['your-64-char-hex-key', 'your-generated-key']

// Created only once per process, because a new key at each reload would rotate the credentials of all users.
let randomKey: string | undefined

const generateKeyFix = 'generate one with `elastauth --generateKey` or `openssl rand -hex 32`'

export function isPlaceholderKey(key: string | null): boolean {
  return key !== null && placeholders.includes(key)
}

/** The configured key, or for a placeholder a random key that stays the same until the process exits. */
export function resolveSecretKey(key: string): string {
  if (!isPlaceholderKey(key)) return key
  randomKey ??= loadCrypto().randomBytes(32).toString('hex')
  return randomKey
}

/** Whether a hex key has fewer than 16 different bytes, which a random one never has in practice. */
export function isWeakKey(key: string): boolean {
  return new Set(key.match(/../g)).size < 16
}

export const placeholderWarning =
  "secret_key is the documentation's placeholder: a random key is used instead, until the next restart. " +
  'Replicas use different keys, and all credentials rotate at every restart. ' +
  `For a permanent key, ${generateKeyFix}.`

/** A key of 32 bytes as 64 hex digits, normalized to lower case. */
export const hexKey = rejectRepeatedDigit(
  textFormat({
    noun: 'a key of 64 hex digits',
    hint: generateKeyFix,
    jsonSchema: { pattern: '^[0-9A-Fa-f]{64}$' },
    isValid: (text) => /^[0-9a-f]{64}$/.test(text),
    normalize: (text) => text.toLowerCase(),
  }),
)

/** A hex key, or one of the documentation's placeholders. */
export const secretKey: Format<string> = {
  ...hexKey,
  jsonSchema: { type: 'string', anyOf: [{ pattern: hexKey.jsonSchema.pattern }, { enum: placeholders }] },
  parse: (value) => (isPlaceholderKey(value as string) ? (value as string) : hexKey.parse(value)),
}

const generateSecretFix = 'generate one with `openssl rand -hex 32`'

/** A shared secret, other than the placeholder in the documentation's configurations of proxies. */
export const sharedSecret: Format<string> = {
  ...textFormat({
    noun: 'a secret of at least 16 printable characters',
    hint: generateSecretFix,
    jsonSchema: { minLength: 16, pattern: '^[!-~]+$' },
    isValid: (text) => /^[!-~]{16,}$/.test(text),
  }),
  check: (text) =>
    text === 'change-this-secret'
      ? [{ problem: 'is the placeholder of the documentation', fix: generateSecretFix }]
      : [],
}

/** Rejects a key of one repeated digit, which is filler instead of a random key. */
function rejectRepeatedDigit(format: Format<string>): Format<string> {
  return {
    ...format,
    check: (key) => (/^(.)\1*$/.test(key) ? [{ problem: 'is the same digit 64 times', fix: generateKeyFix }] : []),
  }
}
