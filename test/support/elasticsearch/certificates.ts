import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'

export type Certificate = { cert: string; key: string }
export type CertificateAuthority = {
  cert: string
  issue(commonName: string, options?: CertificateOptions): Certificate
}

export type CertificateOptions = {
  /** DNS names; localhost and 127.0.0.1 by default. */
  names?: readonly string[]
  /** Whether it expired yesterday. */
  expired?: boolean
  /** For how many days it is valid; ten years by default. */
  days?: number
}

const oid = {
  commonName: [0x55, 0x04, 0x03],
  ecdsaWithSha256: [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
  basicConstraints: [0x55, 0x1d, 0x13],
  keyUsage: [0x55, 0x1d, 0x0f],
  subjectAltName: [0x55, 0x1d, 0x11],
}
const day = 24 * 3600 * 1000

/**
 * A certificate authority for tests (X.509 v3, RFC 5280; ECDSA on P-256). By default, its certificates are for localhost and
 * 127.0.0.1, and valid for ten years. PEM, keys in PKCS #8. Node has no API that creates certificates, hence the DER below.
 */
export function createCertificateAuthority(issuer = 'elastauth test CA'): CertificateAuthority {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const constraints = [
    extension(oid.basicConstraints, sequence(boolean(true))),
    extension(oid.keyUsage, der(0x03, Buffer.from([1, 0b0000_0110]))), // keyCertSign, cRLSign
  ]
  return {
    cert: createCertificate(issuer, issuer, own.publicKey, own.privateKey, constraints),
    issue(commonName, options = {}) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return {
        cert: createCertificate(
          issuer,
          commonName,
          publicKey,
          own.privateKey,
          [alternativeNames(options)],
          endOf(options),
        ),
        key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      }
    },
  }
}

/** A self-signed certificate for localhost and 127.0.0.1. */
export function createSelfSigned(commonName: string): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    cert: createCertificate(commonName, commonName, publicKey, privateKey, [alternativeNames({})]),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function alternativeNames({ names }: CertificateOptions): Buffer {
  const own = names?.map((dnsName) => der(0x82, Buffer.from(dnsName)))
  const usual = [der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1]))]
  return extension(oid.subjectAltName, sequence(...(own ?? usual)))
}

function endOf({ expired = false, days = 3650 }: CertificateOptions): number {
  return expired ? Date.now() - day : Date.now() + days * day
}

function createCertificate(
  issuer: string,
  subject: string,
  publicKey: KeyObject,
  signingKey: KeyObject,
  extensions: Buffer[],
  end = endOf({}),
): string {
  const algorithm = sequence(der(0x06, Buffer.from(oid.ecdsaWithSha256)))
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x7f) | 0x40 // positive, and no leading zero byte
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // v3
    der(0x02, serial),
    algorithm,
    name(issuer),
    sequence(time(Date.now() - 2 * day), time(end)),
    name(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', content, signingKey)
  const whole = sequence(content, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])))
  const lines = whole.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function name(commonName: string): Buffer {
  return sequence(
    der(0x31, sequence(der(0x06, Buffer.from(oid.commonName)), der(0x0c, Buffer.from(commonName, 'utf8')))),
  )
}

function extension(id: number[], value: Buffer): Buffer {
  const critical = id === oid.subjectAltName ? Buffer.alloc(0) : boolean(true)
  return sequence(der(0x06, Buffer.from(id)), critical, der(0x04, value))
}

/** UTCTime, which represents years until 2049. */
function time(at: number): Buffer {
  const digits = new Date(at).toISOString().replace(/\D/g, '').slice(2, 14)
  return der(0x17, Buffer.from(`${digits}Z`))
}

function boolean(value: boolean): Buffer {
  return der(0x01, Buffer.from([value ? 0xff : 0]))
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), content])
}
