import { createHmac, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto'
import { keyIdOf } from '../auth/credentials/password.ts'

/** The chain of the records that one process writes to one sink. Each has a message authentication code (MAC). */
export type Chain = Readonly<{
  id: string
  /**
   * Completes a record: its number, the chain, and the MAC over all of it and the MAC of the previous record.
   * @param body a JSON object without its closing brace
   * @param gap how many numbers before this one were not written
   */
  seal: (body: string, gap: number) => SealedRecord
}>

export type SealedRecord = Readonly<{ sequence: number; line: string }>

/** Stands for the MAC before the first record. It has the length of a MAC, so that input cannot be shifted between the two. */
export const chainStart: Buffer = Buffer.alloc(32)

/**
 * The field of the MAC, always the last one, so that the MAC covers the exact bytes before it. 43 characters are 32 bytes in
 * base64url.
 */
export const macSuffix = /,"elastauth\.audit\.mac":"([\w-]{43})"\}$/
export const macSuffixLength = ',"elastauth.audit.mac":"'.length + 43 + '"}'.length

/** @param key see `deriveAuditKeys` */
export function createChain(key: KeyObject): Chain {
  const id = randomBytes(8).toString('hex')
  let previous = chainStart
  let sequence = 0
  return Object.freeze({
    id,
    seal(body: string, gap: number) {
      sequence += gap + 1
      const text = `${body},"event.sequence":${sequence},"elastauth.audit.chain":"${id}"`
      previous = computeMac(key, previous, text)
      return { sequence, line: `${text},"elastauth.audit.mac":"${previous.toString('base64url')}"}\n` }
    },
  })
}

/** HMAC-SHA256 over the previous MAC and the bytes of a record without its own MAC. */
export function computeMac(key: KeyObject, previous: Buffer, record: string | Buffer): Buffer {
  return createHmac('sha256', key).update(previous).update(record).digest()
}

/**
 * Derives a key from each secret key by HKDF-SHA256 (RFC 5869). It reveals nothing about passwords and other derived keys.
 * @returns the keys by their id
 */
export function deriveAuditKeys(secrets: readonly string[]): ReadonlyMap<string, KeyObject> {
  const derive = (hex: string) => hkdfSync('sha256', Buffer.from(hex, 'hex'), 'elastauth', 'audit', 32)
  return new Map(secrets.map((hex) => [keyIdOf(hex), createSecretKey(Buffer.from(derive(hex)))]))
}
