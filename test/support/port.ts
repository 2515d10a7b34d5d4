import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const firstPort = 20_000
const portCount = 2_700
/** A TCP port belongs to the process that holds the UDP port this much above it. */
const reservationOffset = 3_000

/** The next port to try. Processes start at different ports, so that a port is not reused right away. */
let next = process.pid * 613

/**
 * Reserves a port of 127.0.0.1 until this process ends: for programs that do not support port 0, and for servers that restart.
 * Ports below 32768 are outside the ephemeral range of Linux (ip(7)), so the kernel assigns none of them to `listen(0)` or an
 * outgoing connection. A UDP socket on a related port keeps other test processes away, even before the program listens. The bus
 * of Redis Cluster, 10,000 ports further up, is in neither range.
 */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < portCount; tries++) {
    const port = firstPort + (next++ % portCount)
    if ((await reserve(port + reservationOffset)) && (await canListen(port))) return port
  }
  throw new Error(`none of the ports ${firstPort} to ${firstPort + portCount - 1} is free`)
}

async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref()
  socket.bind({ port, address: '127.0.0.1', exclusive: true })
  return once(socket, 'listening').then(
    () => true,
    () => false,
  )
}

async function canListen(port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true })
  const isFree = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  if (isFree) await once(server.close(), 'close')
  return isFree
}

export async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
