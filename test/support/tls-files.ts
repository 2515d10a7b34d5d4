import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { type Certificate, createCertificateAuthority } from './elasticsearch/certificates.ts'

const directory = mkdtempSync(join(tmpdir(), 'elastauth-tls-'))
after(() => rmSync(directory, { recursive: true }))

export const authority = createCertificateAuthority()

/** Writes a PEM text. @returns the path */
export function writePem(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** The flags for a TLS listener with a certificate for localhost and 127.0.0.1. */
export function tlsFlags({ cert, key }: Certificate = authority.issue('elastauth'), name = 'own') {
  return {
    listen: 'https://127.0.0.1:0',
    'tls.cert': writePem(`${name}.crt`, cert),
    'tls.key': writePem(`${name}.key`, key),
  }
}

export const caFile = writePem('ca.crt', authority.cert)
