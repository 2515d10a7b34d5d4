import type { X509Certificate } from 'node:crypto'

/**
 * The names that a certificate was issued for: its subject alternative names of every type, and its common name (CN). Node joins
 * the alternative names into one text, and quotes those that contain a separator, as in JSON.
 */
export function readCertificateNames({
  subjectAltName = '',
  subject,
}: Pick<X509Certificate, 'subjectAltName' | 'subject'>): string[] {
  const alternativeNames = [...subjectAltName.matchAll(/(?:, )?[^:,"]+:("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gy)].map(
    ([, name]) => unquote(name!),
  )
  const [commonName, ...others] = subject.split('\n').filter((line) => line.startsWith('CN='))
  // With more than one common name, none counts: which of them the CA verified is unclear.
  if (commonName === undefined || others.length > 0) return alternativeNames
  return [...alternativeNames, commonName.slice('CN='.length)]
}

function unquote(name: string): string {
  return name.startsWith('"') ? JSON.parse(name) : name
}
