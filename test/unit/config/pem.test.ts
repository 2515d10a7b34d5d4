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

const places = [
  { section: 'elasticsearch', prefix: '' },
  { section: 'cache', prefix: 'redis_' },
  { section: 'proxy.tls', prefix: '' },
]

for (const { section, prefix } of places) {
  /** The faults with these files at `ca_cert`, `client_cert`, `client_key`. */
  const faultsWith = (given: Partial<Record<'ca_cert' | 'client_cert' | 'client_key', keyof typeof files>>) => {
    const flags = Object.entries(given).map(([name, file]) => [`${section}.${prefix}${name}`, files[file]])
    const lines = linesOf(() => load(minimal, { flags: Object.fromEntries(flags) }))
    assert.doesNotMatch(lines.join(), /content|Y29udGVudA|-----|MI[A-Z]/)
    return lines
  }

  test(`${section}: PEM certificates and keys are accepted, bundles, chains and older kinds too`, () => {
    assert.deepEqual(faultsWith({ ca_cert: 'ca', client_cert: 'cert', client_key: 'key' }), [])
    assert.deepEqual(faultsWith({ ca_cert: 'bundle', client_cert: 'chain', client_key: 'oldKey' }), [])
    assert.deepEqual(faultsWith({ client_cert: 'combined', client_key: 'combined' }), [])
  })

  test(`${section}: what is no PEM certificate is a fault`, () => {
    for (const file of ['text', 'broken', 'halfBroken', 'cut', 'key'] as const) {
      const [first, ...more] = faultsWith({ ca_cert: file })
      assert.match(first ?? file, new RegExp(`^--\\S+ ${section}\\.${prefix}ca_cert .*certificate.*: .*PEM`))
      assert.deepEqual(more, [])
    }
  })

  test(`${section}: what is no PEM private key is a fault, and so is an encrypted one`, () => {
    for (const file of ['text', 'cert', 'publicKey'] as const) {
      const [first, ...more] = faultsWith({ client_cert: 'cert', client_key: file })
      assert.match(first ?? file, new RegExp(`^--\\S+ ${section}\\.${prefix}client_key .*private key: .*PEM`))
      assert.deepEqual(more, [])
    }
    assert.match(faultsWith({ client_cert: 'cert', client_key: 'encrypted' }).join(), /encrypted.*openssl pkey/)
  })

  test(`${section}: a key that is another certificate’s is a fault`, () => {
    const [first, ...more] = faultsWith({ client_cert: 'cert', client_key: 'otherKey' })
    assert.match(first ?? '', new RegExp(`${section}\\.${prefix}client_key does not belong`))
    assert.deepEqual(more, [])
  })
}
