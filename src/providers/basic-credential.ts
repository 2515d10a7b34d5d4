import { GatewayError } from '../http/errors.ts'

export type BasicCredential = Readonly<{ username: string; password: string }>

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The name and the password in the Base64 of `Authorization: Basic` (RFC 7617, section 2). Throws GatewayError credential_invalid,
 * also for text that other servers may read as another name or password: invalid UTF-8, which some replace, and control
 * characters, at which some end. Neither is legal.
 */
export function decodeBasic(base64: string): BasicCredential {
  const text = decodeUtf8(Buffer.from(base64, 'base64'))
  const colon = text.indexOf(':')
  if (colon < 1) throw invalid('has no username, or no colon')
  if (/[\0-\x1f\x7f]/.test(text)) throw invalid('contains a control character')
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw invalid('is not UTF-8') // the cause would contain the password
  }
}

function invalid(problem: string): GatewayError {
  return new GatewayError('credential_invalid', `Authorization: Basic ${problem}`)
}
