import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** The text of a PEM file, or undefined without a path. Throws if it cannot be read. */
export function readPem(path: string | null): string | undefined {
  return path === null ? undefined : readFileSync(path, 'utf8')
}

/**
 * The text of a file with the certificates of CAs, or undefined without a path. Throws if the file holds none: OpenSSL
 * would accept it, and then trust no peer.
 */
export function readCa(path: string | null): string | undefined {
  const text = readPem(path)
  if (text !== undefined && !isCertificate(text)) throw new Error(`${path} contains no certificate that can be read`)
  return text
}

function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text) !== undefined
  } catch {
    return false
  }
}
