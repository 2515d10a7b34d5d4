import { dropIfWrongType } from './scripts.ts'

/**
 * The atomic operations on sessions, each on one key, so that they work on a Cluster. A session is a hash: `v` is the encrypted
 * session, `c` the owner of its refresh lock, `d` its sealed description, `u` when it was last used. See sessions/store.ts.
 */

/**
 * Maximum size of a stored session: enough for the largest token response and userinfo (1 MB each, see
 * providers/oidc/provider-fetch.ts) when encrypted. Larger values are ignored, because anyone with write access to Redis can
 * store 512 MB.
 */
const maxSessionBytes = 4 * 1024 * 1024
/** Maximum size of a lock owner's name, and of a session key in an index. */
const maxNameBytes = 256
/** Maximum size of a description: a username of 255 characters and a browser, sealed. */
const maxDescriptionBytes = 4096
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

/** Arguments: value, ttlMs, description ('' for none) */
export const put = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'd', ARGV[3]) end
return 1`

/**
 * Arguments: ttlMs, now. A full Redis rejects HSET, unless the script has written before: PEXPIRE, which keeps the session, comes first.
 */
export const touch = `
if redis.call('PEXPIRE', KEYS[1], ARGV[1]) == 1 then redis.pcall('HSET', KEYS[1], 'u', ARGV[2]) end
return 1`

/** `hasSession`: whether the key holds a readable session. */
const hasSession = `${isReadable}
local function hasSession()
  return isReadable() and redis.call('HSTRLEN', KEYS[1], 'v') > 0
end
`

/** No arguments. Returns the description and the last use, or nil if there is no session. */
export const readDetails = `${hasSession}
if not hasSession() then return false end
if redis.call('HSTRLEN', KEYS[1], 'd') > ${maxDescriptionBytes} then return {} end
if redis.call('HSTRLEN', KEYS[1], 'u') > ${maxNameBytes} then return {} end
return redis.call('HMGET', KEYS[1], 'd', 'u')`

/** Argument: description */
export const setDescription = `${hasSession}
if hasSession() then redis.call('HSET', KEYS[1], 'd', ARGV[1]) end
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
