import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const first = 20_000
const count = 2_700
/** From a TCP port to the UDP port whose holder owns it. */
const reservationOffset = 3_000

/** The next port to try. Processes start at different ports, so that a port is not reused right away. */
let next = process.pid * 613

/**
 * A port of 127.0.0.1 that stays this process's own until it ends: for programs that cannot be told port 0, and for
 * servers that stop and start again. Ports below 32768 are outside the ephemeral range of Linux (ip(7)), so the kernel
 * gives none of them to a `listen(0)` or an outgoing connection; and a UDP socket held on a related port keeps other test
 * processes away, also in the moment before the program listens. Redis Cluster's bus, 10,000 further up, is in neither range.
 */
export async function findFreePort(): Promise<number> {
  for (let tries = 0; tries < count; tries++) {
    const port = first + (next++ % count)
    if ((await reserve(port + reservationOffset)) && (await isFree(port))) return port
  }
  throw new Error(`none of the ports ${first} to ${first + count - 1} is free`)
}

async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref()
  socket.bind({ port, address: '127.0.0.1', exclusive: true })
  return once(socket, 'listening').then(
    () => true,
    () => false,
  )
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: '127.0.0.1', exclusive: true })
  const isOurs = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  if (isOurs) await once(server.close(), 'close')
  return isOurs
}

export async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
