import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Server, Socket } from 'node:net'
import { test } from 'node:test'
import { limitConnections } from '../../../src/server/connection-limit.ts'

function createServers(count: number): Server[] {
  return Array.from({ length: count }, () => new EventEmitter() as Server)
}

function connect(server: Server): Socket {
  const socket = new EventEmitter() as Socket
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
