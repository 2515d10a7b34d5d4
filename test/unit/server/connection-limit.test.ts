import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Server, Socket } from 'node:net'
import { describe, test } from 'node:test'
import { limitConnections } from '../../../src/server/connection-limit.ts'

function createServers(count: number): Server[] {
  return Array.from({ length: count }, () => new EventEmitter() as Server)
}

function connect(server: Server, remoteAddress?: string): Socket {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress,
    destroyed: false,
    destroy() {
      this.destroyed = true
    },
  }) as EventEmitter as Socket
  server.emit('connection', socket)
  return socket
}

const limitsOf = (servers: Server[]) => servers.map(({ maxConnections }) => maxConnections)

test('all listeners share max_connections, and each keeps its open connections', () => {
  const servers = createServers(2)
  limitConnections(servers, { maxConnections: 3, maxWeight: 100 })
  const first = connect(servers[0]!)
  connect(servers[0]!)
  assert.deepEqual(limitsOf(servers), [3, 1])
  connect(servers[1]!)
  assert.deepEqual(limitsOf(servers), [2, 1])
  first.emit('close')
  assert.deepEqual(limitsOf(servers), [2, 2])
})

test('a connection with a weight counts as that many connections until it closes', () => {
  const [server] = createServers(1)
  const { setWeight } = limitConnections([server!], { maxConnections: 100, maxWeight: 10 })
  const heavy = connect(server!)
  assert.ok(setWeight(heavy, 4))
  assert.equal(server!.maxConnections, 1 + 6)
  assert.ok(setWeight(heavy, 10))
  assert.equal(server!.maxConnections, 1)
  heavy.emit('close')
  assert.equal(server!.maxConnections, 10)
})

test('a connection keeps its weight if there is no room for a larger weight', () => {
  const [server] = createServers(1)
  const { setWeight } = limitConnections([server!], { maxConnections: 100, maxWeight: 10 })
  const [first, second] = [connect(server!), connect(server!)]
  assert.ok(setWeight(first!, 6))
  assert.ok(!setWeight(second!, 5))
  assert.ok(setWeight(second!, 4))
  assert.equal(server!.maxConnections, 2)
  assert.ok(!setWeight(first!, 7))
  first!.emit('close')
  assert.equal(server!.maxConnections, 1 + 6)
})

test('max_connections counts a connection once, whatever its weight', () => {
  const [server] = createServers(1)
  const { setWeight } = limitConnections([server!], { maxConnections: 2, maxWeight: 100 })
  assert.ok(setWeight(connect(server!), 50))
  assert.equal(server!.maxConnections, 2)
})

test('setWeight rejects a closed connection, whose weight would never be released', () => {
  const [server] = createServers(1)
  const { setWeight } = limitConnections([server!], { maxConnections: 100, maxWeight: 10 })
  const closed = connect(server!)
  assert.ok(setWeight(closed, 2))
  Object.assign(closed, { destroyed: true }).emit('close')
  assert.ok(!setWeight(closed, 9))
  assert.equal(server!.maxConnections, 10)
})

test('setWeight allows a connection at most the given share of the room, and can always lower a weight', () => {
  const [server] = createServers(1)
  const { setWeight } = limitConnections([server!], { maxConnections: 100, maxWeight: 20 })
  const [first, second] = [connect(server!), connect(server!)]
  assert.ok(setWeight(first!, 8, 1 / 2))
  assert.ok(!setWeight(second!, 8, 1 / 2))
  assert.ok(setWeight(second!, 8))
  assert.ok(setWeight(first!, 2))
  assert.equal(server!.maxConnections, 2 + 10)
})

test('a full server reports the first connection that it closes, and reports again only after half of its capacity was free', () => {
  const servers = createServers(2)
  let reports = 0
  const { setWeight } = limitConnections(servers, { maxConnections: 4, maxWeight: 100, onFull: () => void reports++ })
  const open = servers.flatMap((server) => [connect(server), connect(server)])
  assert.equal(reports, 0)
  for (const server of servers) server.emit('drop')
  assert.equal(reports, 1)
  open.pop()!.emit('close')
  connect(servers[0]!)
  servers[0]!.emit('drop')
  assert.equal(reports, 1)
  for (const socket of open.splice(0, 2)) socket.emit('close')
  assert.ok(!setWeight(connect(servers[0]!), 100), 'it is closed')
  assert.equal(reports, 2)
})

test('a connection that keeps its weight for lack of room is not reported, because it stays open', () => {
  const [server] = createServers(1)
  const onFull = () => assert.fail('reported')
  const { setWeight } = limitConnections([server!], { maxConnections: 100, maxWeight: 10, onFull })
  const socket = connect(server!)
  assert.ok(setWeight(socket, 5))
  assert.ok(!setWeight(socket, 11))
})

describe('the share of one client', () => {
  function limitClients(limits: { maxConnections: number; maxWeight: number }) {
    const [server] = createServers(1)
    const exceeded: string[] = []
    const isExempt = (address: string) => address === '192.0.2.99'
    const clients = { isExempt, onExceeded: (network: string) => void exceeded.push(network) }
    const { setWeight } = limitConnections([server!], { ...limits, clients })
    return { setWeight, exceeded, server: server!, open: (address: string) => connect(server!, address) }
  }

  test('a client gets half of all connections, further ones are destroyed and reported once, and others keep theirs', () => {
    const { open, exceeded } = limitClients({ maxConnections: 4, maxWeight: 100 })
    const first = [open('192.0.2.1'), open('192.0.2.1')]
    const refused = [open('192.0.2.1'), open('::ffff:192.0.2.1')]
    assert.deepEqual(
      [...first, ...refused].map(({ destroyed }) => destroyed),
      [false, false, true, true],
    )
    assert.deepEqual(exceeded, ['192.0.2.1'])
    assert.equal(open('192.0.2.2').destroyed, false)
    for (const socket of [...refused, first[0]!]) socket.emit('close')
    assert.equal(open('192.0.2.1').destroyed, false)
  })

  test('a client gets half of the weight, which HTTP/2 connections use up faster', () => {
    const { open, setWeight } = limitClients({ maxConnections: 100, maxWeight: 20 })
    const [first, second] = [open('192.0.2.1'), open('192.0.2.1')]
    assert.ok(setWeight(first!, 8))
    assert.ok(!setWeight(second!, 3))
    assert.ok(setWeight(second!, 2))
    assert.equal(open('192.0.2.1').destroyed, true)
    assert.ok(setWeight(open('192.0.2.2'), 3))
    first!.emit('close')
    assert.ok(setWeight(second!, 9))
  })

  test('a client is reported when a connection gets no first weight and is closed, but not when one keeps its previous weight', () => {
    const { open, setWeight, exceeded } = limitClients({ maxConnections: 100, maxWeight: 20 })
    const [first, second] = [open('192.0.2.1'), open('192.0.2.1')]
    assert.ok(setWeight(first!, 2))
    assert.ok(!setWeight(first!, 16))
    assert.deepEqual(exceeded, [])
    assert.ok(!setWeight(second!, 16))
    assert.deepEqual(exceeded, ['192.0.2.1'])
  })

  test('all addresses of an IPv6 network of 64 bits are one client', () => {
    const { open, exceeded } = limitClients({ maxConnections: 2, maxWeight: 100 })
    assert.equal(open('2001:db8::1').destroyed, false)
    assert.equal(open('2001:db8:0:1::1').destroyed, false)
    assert.equal(open('2001:db8:0:0:ffff::1').destroyed, true)
    assert.deepEqual(exceeded, ['2001:db8:0:0::/64'])
  })

  test('a client may always have one connection', () => {
    assert.equal(limitClients({ maxConnections: 1, maxWeight: 1 }).open('192.0.2.1').destroyed, false)
  })

  test('exempt addresses, unix sockets and closed connections are not limited', () => {
    const { open, server, exceeded } = limitClients({ maxConnections: 2, maxWeight: 100 })
    for (let i = 0; i < 5; i++) {
      assert.equal(open('192.0.2.99').destroyed, false)
      assert.equal(connect(server).destroyed, false)
    }
    assert.deepEqual(exceeded, [])
  })
})
