/**
 * Loaded into a gateway by call-path.ts. On each message it replies with the functions of src and config that were called since the
 * previous message, by file.
 */
import { Session } from 'node:inspector/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = `${import.meta.dirname}/..`
const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })

process.on('message', async () => {
  const { result } = await session.post('Profiler.takePreciseCoverage')
  const calls = result.flatMap(({ url, functions }) => {
    const file = url.startsWith('file:') ? relative(root, fileURLToPath(url)) : ''
    const names = functions.filter(({ ranges, functionName }) => functionName !== '' && ranges[0]!.count > 0)
    const isAnonymous = functions.some(({ ranges, functionName }) => functionName === '' && ranges[0]!.count > 0)
    if (!/^(?:src|config)\//.test(file) || (names.length === 0 && !isAnonymous)) return []
    return [[file, names.map(({ functionName }) => functionName)] as const]
  })
  process.send!(calls)
})
process.channel!.unref() // must not keep a gateway running that cannot start
