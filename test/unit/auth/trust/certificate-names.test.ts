import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readCertificateNames } from '../../../../src/auth/trust/certificate-names.ts'

const rows: [subject: string, subjectAltName: string | undefined, names: string[]][] = [
  ['CN=traefik', undefined, ['traefik']],
  ['C=DE\nO=Example\nCN=traefik', 'DNS:a, DNS:b', ['a', 'b', 'traefik']],
  ['O=x', 'DNS:a, IP Address:10.0.0.1, URI:spiffe://x/y, email:a@b', ['a', '10.0.0.1', 'spiffe://x/y', 'a@b']],
  ['O=x', 'DNS:"a, DNS:b", DNS:c', ['a, DNS:b', 'c']],
  ['O=x', 'DNS:"a\\", DNS:b", DNS:c', ['a", DNS:b', 'c']],
  ['O=x', 'DNS:"a, DNS:b, DNS:c', []], // an unterminated quote: nothing after it is read
  ['O=CN=x\nOU=CN=y', undefined, []],
  ['CN=a\nCN=b', undefined, []], // ambiguous
]

for (const [subject, subjectAltName, names] of rows) {
  test(`reads the names [${names}] of a certificate with the subject ${JSON.stringify(subject)} and subjectAltName ${subjectAltName}`, () =>
    assert.deepEqual(readCertificateNames({ subject, subjectAltName }), names))
}
