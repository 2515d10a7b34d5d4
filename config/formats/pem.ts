import { readFileSync, statSync } from 'node:fs'
import { loadCrypto } from '../load-crypto.ts'
import { type Format, type Problem, textFormat } from './format.ts'

const maxBytes = 16 * 1024 * 1024

/** The path of a file with one or more PEM certificates. Other text in the file is a comment (RFC 7468, section 2). */
export const certificateFile = fileWith((text) => {
  const blocks = text.match(certificateBlock) ?? []
  if (blocks.length === 0) return { problem: 'contains no certificate', fix: 'name a PEM file (BEGIN CERTIFICATE)' }
  const invalidIndex = blocks.findIndex((block) => !isCertificate(block))
  if (invalidIndex === -1) return undefined
  return {
    problem: `contains a certificate that cannot be read, number ${invalidIndex + 1}`,
    fix: 'copy its complete PEM text',
  }
})

/** A certificate in PEM, whose end may be missing. OpenSSL also accepts the labels `X509` and `TRUSTED CERTIFICATE`. */
const certificateBlock = /-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----[^-]*(?:-----END \1?CERTIFICATE-----)?/g

/** The path of a file with a PEM private key. */
export const privateKeyFile = fileWith((text) => {
  if (isEncryptedKey(text)) {
    return { problem: 'contains an encrypted private key', fix: 'decrypt it, e.g. with `openssl pkey`, and keep PEM' }
  }
  if (isPrivateKey(text)) return undefined
  return { problem: 'contains no readable private key', fix: 'name a PEM file (BEGIN PRIVATE KEY)' }
})

/** Whether a private key needs a passphrase, in PKCS #8 or in OpenSSL's former format. */
function isEncryptedKey(text: string): boolean {
  return text.includes('-----BEGIN ENCRYPTED PRIVATE KEY-----') || /^Proc-Type: 4,ENCRYPTED/m.test(text)
}

/**
 * Whether the private key belongs to the file's first certificate. True if a file cannot be read, because that is
 * reported as a separate fault.
 */
export function isMatchingKeyPair(certFile: string, keyFile: string): boolean {
  try {
    const { createPrivateKey, X509Certificate } = loadCrypto()
    return new X509Certificate(readFileSync(certFile)).checkPrivateKey(createPrivateKey(readFileSync(keyFile)))
  } catch {
    return true
  }
}

/** When the file's first certificate expires; undefined if the file cannot be read. */
export function certificateExpiry(certFile: string): Date | undefined {
  try {
    return new (loadCrypto().X509Certificate)(readFileSync(certFile)).validToDate
  } catch {
    return undefined
  }
}

/** A format for the path of a PEM file. OpenSSL's messages are not shown, because they might quote the file. */
function fileWith(findProblem: (text: string) => Problem | undefined): Format<string> {
  const isPath = (path: string) => path !== '' && !path.includes('\0')
  return {
    ...textFormat({
      noun: 'a file path',
      hint: 'write the path of a file',
      jsonSchema: { minLength: 1 },
      isValid: isPath,
    }),
    check: (path) => {
      const text = readText(path)
      const problem = typeof text === 'string' ? findProblem(text) : text
      return problem === undefined ? [] : [{ value: path, ...problem }]
    },
  }
}

function readText(path: string): string | Problem {
  try {
    const stats = statSync(path)
    if (stats.isDirectory()) return { problem: 'is a directory', fix: 'name the file itself' }
    if (!stats.isFile()) return { problem: 'is not a file', fix: 'name a PEM file' }
    if (stats.size > maxBytes) return { problem: 'is longer than 16 MiB', fix: 'name a PEM file' }
    return readFileSync(path, 'latin1')
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (isMissing) return { problem: 'does not exist', fix: 'check the path, and whether the file is mounted' }
    return { problem: 'cannot be read', fix: 'check its permissions' }
  }
}

function isCertificate(block: string): boolean {
  try {
    return new (loadCrypto().X509Certificate)(block) !== undefined
  } catch {
    return false
  }
}

function isPrivateKey(text: string): boolean {
  try {
    return loadCrypto().createPrivateKey(text).type === 'private'
  } catch {
    return false
  }
}
