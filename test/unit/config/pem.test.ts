import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { createCertificateAuthority } from '../../support/elasticsearch/certificates.ts'
import { linesOf, load, minimal, writeFiles } from './fixture.ts'

const authority = createCertificateAuthority()
const own = authority.issue('client')
const another = authority.issue('another')
const privateKey = createPrivateKey(own.key)
const broken = own.cert.replace(/\n[\s\S]*\n-----END/, '\nY29udGVudA==\n-----END')
const files = writeFiles({
  ca: authority.cert,
  bundle: `# two of them\n${authority.cert}\nand\n${another.cert}`,
  cert: own.cert,
  chain: `${own.cert}${authority.cert}`,
  key: own.key,
  otherKey: another.key,
  oldKey: privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  combined: `${own.cert}${own.key}`,
  text: 'content',
  broken,
  halfBroken: `${authority.cert}${broken}`,
  cut: authority.cert + own.cert.slice(0, -10),
  publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString(),
  encrypted: privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'content' })
    .toString(),
})

const tlsSections = [
  { section: 'elasticsearch', prefix: '' },
  { section: 'cache', prefix: 'redis_' },
  { section: 'proxy.tls', prefix: '' },
]

for (const { section, prefix } of tlsSections) {
  /** The faults with these files at `ca_cert`, `client_cert`, `client_key`. */
  const faultsWith = (given: Partial<Record<'ca_cert' | 'client_cert' | 'client_key', keyof typeof files>>) => {
    const flags = Object.entries(given).map(([name, file]) => [`${section}.${prefix}${name}`, files[file]])
    const lines = linesOf(() => load(minimal, { flags: Object.fromEntries(flags) }))
    // The random name of the directory may match by chance.
    assert.doesNotMatch(lines.join().replaceAll(files.directory, ''), /content|Y29udGVudA|-----|MI[A-Z]/)
    return lines
  }

  test(`${section} accepts PEM certificates and keys, bundles, chains and older key formats`, () => {
    assert.deepEqual(faultsWith({ ca_cert: 'ca', client_cert: 'cert', client_key: 'key' }), [])
    assert.deepEqual(faultsWith({ ca_cert: 'bundle', client_cert: 'chain', client_key: 'oldKey' }), [])
    assert.deepEqual(faultsWith({ client_cert: 'combined', client_key: 'combined' }), [])
  })

  test(`${section} rejects a file without a valid PEM certificate`, () => {
    for (const file of ['text', 'broken', 'halfBroken', 'cut', 'key'] as const) {
      const [first, ...others] = faultsWith({ ca_cert: file })
      assert.match(first ?? file, new RegExp(`^--\\S+ ${section}\\.${prefix}ca_cert .*certificate.*: .*PEM`))
      assert.deepEqual(others, [])
    }
  })

  test(`${section} rejects a file without a PEM private key, and an encrypted private key`, () => {
    for (const file of ['text', 'cert', 'publicKey'] as const) {
      const [first, ...others] = faultsWith({ client_cert: 'cert', client_key: file })
      assert.match(first ?? file, new RegExp(`^--\\S+ ${section}\\.${prefix}client_key .*private key: .*PEM`))
      assert.deepEqual(others, [])
    }
    assert.match(faultsWith({ client_cert: 'cert', client_key: 'encrypted' }).join(), /encrypted.*openssl pkey/)
  })

  test(`${section} rejects a private key that belongs to another certificate`, () => {
    const [first, ...others] = faultsWith({ client_cert: 'cert', client_key: 'otherKey' })
    assert.match(first ?? '', new RegExp(`${section}\\.${prefix}client_key does not belong`))
    assert.deepEqual(others, [])
  })
}
