import { dropIfWrongType } from './scripts.ts'

/**
 * The atomic operations on sessions, each on one key, so that they work on a Cluster. A session is a hash: `v` is the encrypted
 * session, `c` the owner of its refresh lock. See sessions/store.ts.
 */

/**
 * Maximum size of a stored session: enough for the largest token response and userinfo (1 MB each, see
 * providers/oidc/provider-fetch.ts) when encrypted. Larger values are ignored, because anyone with write access to Redis can
 * store 512 MB.
 */
const maxSessionBytes = 4 * 1024 * 1024
/** Maximum size of a lock owner's name, and of a session key in an index. */
const maxNameBytes = 256
/** Maximum number of sessions read from one index; sessions/sessions.ts keeps at most 50 per subject. */
const maxIndexMembers = 1000

/** `isReadable`: whether the key holds a session of the right type that does not exceed the maximum sizes. */
const isReadable = `
local function isReadable()
  local length = redis.pcall('HSTRLEN', KEYS[1], 'v')
  if type(length) == 'table' then
    if string.find(length.err, 'WRONGTYPE', 1, true) then return false end
    error(length)
  end
  return length <= ${maxSessionBytes} and redis.call('HSTRLEN', KEYS[1], 'c') <= ${maxNameBytes}
end
`

/** No arguments. Returns the value, or nil. */
export const get = `${isReadable}
if not isReadable() then return false end
return redis.call('HGET', KEYS[1], 'v')`

/** Arguments: value, ttlMs */
export const put = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** Arguments: value, owner, the owner to replace ('' for none) */
export const lockRefresh = `${isReadable}
if not isReadable() then return 'gone' end
local held = redis.call('HMGET', KEYS[1], 'v', 'c')
if not held[1] then return 'gone' end
if held[1] ~= ARGV[1] then return 'changed' end
if held[2] and held[2] ~= ARGV[3] then return 'by ' .. held[2] end
redis.call('HSET', KEYS[1], 'c', ARGV[2])
return 'acquired'`

/** Arguments: owner, value, ttlMs, channel, message */
export const completeRefresh = `${isReadable}
if not isReadable() then return 0 end
local held = redis.call('HMGET', KEYS[1], 'v', 'c')
if held[1] == ARGV[2] then return 1 end
if held[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
redis.call('HDEL', KEYS[1], 'c')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1`

/** Argument: owner */
export const unlockRefresh = `${isReadable}
if not isReadable() then return 0 end
if redis.call('HGET', KEYS[1], 'c') == ARGV[1] then redis.call('HDEL', KEYS[1], 'c') end
return 1`

/** Arguments: channel, message */
export const remove = `
local ended = redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return ended`

/** Arguments: member, its expiry, now, ttlMs. Returns the number of members. */
export const addToIndex = `
local removed = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
${dropIfWrongType('removed')}
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return redis.call('ZCARD', KEYS[1])`

/** Argument: now. Returns the members that have not expired. */
export const listIndex = `
local members = redis.pcall('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'LIMIT', 0, ${maxIndexMembers})
${dropIfWrongType('members', 'return {}')}
local found = {}
for _, member in ipairs(members) do
  if #member <= ${maxNameBytes} then found[#found + 1] = member end
end
return found`
