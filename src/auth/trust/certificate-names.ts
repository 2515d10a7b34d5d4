import type { X509Certificate } from 'node:crypto'

/**
 * Whom a certificate is for: its subject alternative names of every kind, and its common name. Node writes names one
 * after the other into one text, and those that could be taken for two of them in quotes, as JSON.
 */
export function readCertificateNames({
  subjectAltName = '',
  subject,
}: Pick<X509Certificate, 'subjectAltName' | 'subject'>): string[] {
  const alternatives = [...subjectAltName.matchAll(/(?:, )?[^:,"]+:("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gy)].map(
    ([, name]) => unquote(name!),
  )
  const [common, ...more] = subject.split('\n').filter((line) => line.startsWith('CN='))
  return common === undefined || more.length > 0 ? alternatives : [...alternatives, common.slice('CN='.length)]
}

function unquote(name: string): string {
  return name.startsWith('"') ? JSON.parse(name) : name
}
