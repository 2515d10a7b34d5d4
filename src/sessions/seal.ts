import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** Authenticated encryption for values that are stored outside the process, which prevents reading, changing and swapping them. */
export type Seal = Readonly<{
  /** @param binding what the value belongs to, such as a session id; only the same binding opens the value */
  close: (binding: string, text: string) => string
  /** Undefined if the value is corrupt, has another binding, or was sealed with an unknown key or by another release. */
  open: (binding: string, sealed: string) => string | undefined
}>

const version = '1'
const ivLength = 12
const tagLength = 16

/**
 * AES-256-GCM (NIST SP 800-38D) with a separate key for each binding, derived by HKDF-SHA256 (RFC 5869) from the secret key,
 * the purpose and the binding.
 * @param secrets hex keys, the current key first; the previous keys only open values
 */
export function createSeal(secrets: readonly [string, ...string[]], purpose: string): Seal {
  const keys = secrets.map((hex) => Buffer.from(hex, 'hex'))

  function keyFor(secret: Buffer, binding: string): Buffer {
    return Buffer.from(hkdfSync('sha256', secret, 'elastauth', `${purpose}\0${version}\0${binding}`, 32))
  }

  return Object.freeze({
    close(binding: string, text: string) {
      const iv = randomBytes(ivLength)
      const cipher = createCipheriv('aes-256-gcm', keyFor(keys[0]!, binding), iv)
      const sealed = Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${version}.${sealed.toString('base64url')}`
    },
    open(binding: string, sealed: string) {
      if (!sealed.startsWith(`${version}.`)) return undefined
      const bytes = Buffer.from(sealed.slice(version.length + 1), 'base64url')
      if (bytes.length < ivLength + tagLength) return undefined
      for (const secret of keys) {
        const text = decrypt(keyFor(secret, binding), bytes)
        if (text !== undefined) return text
      }
      return undefined
    },
  })
}

function decrypt(key: Buffer, bytes: Buffer): string | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivLength))
  decipher.setAuthTag(bytes.subarray(-tagLength))
  try {
    return decipher.update(bytes.subarray(ivLength, -tagLength), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    return undefined
  }
}
