import { type ErrorCode, errorTable } from '../../http/errors.ts'
import { standardMethods } from '../../http/handler.ts'
import { otherMethod } from './definitions.ts'
import type { Families } from './families.ts'
import type { Count } from './series.ts'

/** What the server reports. Every request calls these functions, so they only add numbers. */
export type RequestMetrics = Readonly<{
  requestStarted: () => void
  /** @param seconds from the arrival of the request to the end of its response, or to the head of an upstream's */
  requestEnded: (method: string, status: number, seconds: number) => void
  /** @param seconds from the arrival of the request to the end of an upstream's response */
  streamEnded: (seconds: number) => void
  /** @param seconds from the upgrade to the end of the tunnel */
  tunnelEnded: (seconds: number) => void
  failed: (errorCode: ErrorCode) => void
}>

export function createRequestMetrics({ counter, histogram, read, samplesOf }: Families): RequestMetrics {
  const requests = counter('elastauth_requests_total')
  const byMethodAndStatus = [...standardMethods, otherMethod].map((): Count[] => [])
  const duration = histogram('elastauth_request_duration_seconds').of()
  const streams = histogram('elastauth_stream_duration_seconds').of()
  const tunnels = histogram('elastauth_tunnel_duration_seconds').of()
  const errorFamily = counter('elastauth_errors_total')
  const errors = new Map(Object.keys(errorTable).map((code) => [code, errorFamily.of(code)]))
  let started = 0
  let ended = 0
  read('elastauth_active_requests', () => {
    const [openTunnels] = samplesOf('elastauth_open_tunnels', '')
    return started - ended - (openTunnels?.value ?? 0)
  })

  /** Creates a series at its first use, because most methods and statuses never occur. */
  function addSeries(methodIndex: number, status: number, counts: Count[]): Count {
    const count = requests.of(standardMethods[methodIndex] ?? otherMethod, String(status))
    counts[status] = count
    return count
  }

  return Object.freeze<RequestMetrics>({
    requestStarted() {
      started++
    },
    requestEnded(method, status, seconds) {
      ended++
      const methodIndex = indexOf(method)
      const counts = byMethodAndStatus[methodIndex]!
      const count = counts[status] ?? addSeries(methodIndex, status, counts)
      count.value++
      duration.observe(seconds)
    },
    streamEnded: (seconds) => streams.observe(seconds),
    tunnelEnded: (seconds) => tunnels.observe(seconds),
    failed(errorCode) {
      errors.get(errorCode)!.value++
    },
  })
}

/** The index of a method in `standardMethods`, or their number for any other. */
function indexOf(method: string): number {
  const index = standardMethods.indexOf(method)
  return index === -1 ? standardMethods.length : index
}
