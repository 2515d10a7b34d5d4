import type { X509Certificate } from 'node:crypto'

/**
 * The names that a certificate was issued for: its subject alternative names of every type, and its common name (CN). Node
 * joins the alternative names into one string, and quotes names that contain a separator like JSON strings.
 */
export function readCertificateNames({
  subjectAltName = '',
  subject,
}: Pick<X509Certificate, 'subjectAltName' | 'subject'>): string[] {
  const alternativeNames = [...subjectAltName.matchAll(alternativeName)].map(({ groups }) => unquote(groups!.name!))
  const [commonName, ...others] = subject.split('\n').filter((line) => line.startsWith('CN='))
  // With more than one common name, none counts, because it is unclear which one the CA has verified.
  if (commonName === undefined || others.length > 0) return alternativeNames
  return [...alternativeNames, commonName.slice('CN='.length)]
}

/** One alternative name: its type, a colon, and the name in quotes or without a comma. Sticky, so that nothing is skipped. */
const alternativeName = /(?:, )?[^:,"]+:(?<name>"(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gy

function unquote(name: string): string {
  return name.startsWith('"') ? JSON.parse(name) : name
}
