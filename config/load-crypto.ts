/**
 * Node's cryptography, loaded at the first call: it takes 8 ms, an eighth of the time of a health check, which does not
 * need it.
 */
export function loadCrypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto')
}
