import { errors } from '@elastic/elasticsearch'

/** `pbkdf2_1000`: elastauth hashes passwords. `server`: passwords are sent as text, and Elasticsearch hashes them. */
export type PasswordHashingMode = 'pbkdf2_1000' | 'server'

export type PasswordHashing = Readonly<{
  /** Whether passwords are sent as hashes. */
  isOn: () => boolean
  /** Sends passwords as text from now on, because Elasticsearch has rejected a hash. */
  turnOff: (reason: string) => void
}>

/** @param onRejected called for each rejected hash; several writes may be in flight when the first one is rejected */
export function createPasswordHashing(
  mode: PasswordHashingMode,
  onRejected: (rejection: Readonly<{ reason: string; isFirst: boolean }>) => void,
): PasswordHashing {
  let isOn = mode === 'pbkdf2_1000'
  return Object.freeze({
    isOn: () => isOn,
    turnOff(reason: string) {
      onRejected({ reason, isFirst: isOn })
      isOn = false
    },
  })
}

export type PasswordFields = Readonly<{ password: string } | { password_hash: string }>

/**
 * Sends the hash if there is one. Sends the password as text if Elasticsearch rejects the algorithm of the hash. Rejects like
 * `send`.
 */
export async function sendPassword<T>(
  { password, passwordHash }: Readonly<{ password: string; passwordHash: string | undefined }>,
  hashing: PasswordHashing,
  send: (fields: PasswordFields) => Promise<T>,
): Promise<T> {
  if (passwordHash === undefined || !hashing.isOn()) return send({ password })
  try {
    return await send({ password_hash: passwordHash })
  } catch (error) {
    const reason = hashRejectionOf(error)
    if (reason === undefined) throw error
    hashing.turnOff(reason)
    return send({ password })
  }
}

/** The reason of a rejected write, if Elasticsearch does not accept the algorithm of the password hash; otherwise undefined. */
function hashRejectionOf(error: unknown): string | undefined {
  if (!(error instanceof errors.ResponseError) || error.statusCode !== 400) return undefined
  const { type, reason } = (error.body as { error?: Record<string, unknown> } | undefined)?.error ?? {}
  if (type !== 'illegal_argument_exception' || typeof reason !== 'string') return undefined
  return rejections.some((pattern) => pattern.test(reason)) ? reason : undefined
}

const rejections = [
  /^The provided password hash is not a hash or it could not be resolved to a supported hash algorithm\b/, // 8.19, 9.5
  /^unknown hash function \[/, // 8.19, 9.5: an unsupported number of iterations
  /^Provided password hash uses \[/, // older releases: an algorithm that is not the configured one
]
