import { readFileSync, realpathSync, statSync } from 'node:fs'
import { isMounted } from './mounts.ts'

const maxBytes = 65_536

type SecretFile = {
  readonly text?: string
  readonly faults: readonly { readonly problem: string; readonly fix: string }[]
  readonly warnings: readonly string[]
}

/**
 * Reads a secret from a file, without its final newline. A file that other users can write is a fault, but only a
 * warning on a mount, since a container cannot change its permissions.
 */
export function readSecretFile(path: string, isOnMount = isMounted): SecretFile {
  try {
    const { mode, size } = statSync(path)
    if (size > maxBytes)
      return fault(`names a file of more than ${maxBytes} bytes`, 'name a file that holds only the secret')
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    const isWritable = (mode & 0o022) !== 0
    if (isWritable && !isOnMount(realpathSync(path)))
      return fault('names a file that other users can write', 'run chmod go-w on the file')
    if (text === '') return fault('names an empty file', 'write the secret into it')
    // Only a warning, because container platforms mount secrets with mode 0444.
    const warnings = [
      ...(mode & 0o004 ? ['the secret file can be read by every user of this machine'] : []),
      ...(isWritable ? ['the secret file can be written by other users of this machine'] : []),
    ]
    return { text, faults: [], warnings }
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    return fault(
      `names a file that ${isMissing ? 'does not exist' : 'cannot be read'}`,
      'check its path and permissions',
    )
  }
}

function fault(problem: string, fix: string): SecretFile {
  return { faults: [{ problem, fix }], warnings: [] }
}
