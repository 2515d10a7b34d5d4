import { dropIfWrongType } from './scripts.ts'

/**
 * The atomic steps of sessions, each on one key, so that they run on a Cluster. A session is a hash: `v` what is sealed,
 * `c` who is redeeming its refresh token. See sessions/store.ts.
 */

/**
 * Maximum size of a stored session, in bytes: more than the provider's largest token response and userinfo (1 MB each, see
 * providers/oidc/provider-fetch.ts) take when sealed. Anyone with write access to Redis may store 512 MB.
 */
const maxSessionBytes = 4 * 1024 * 1024
/** Maximum size of a claimant, and of a session's key in a list. */
const maxNameBytes = 256
/** Maximum of sessions read from one list; sessions/sessions.ts keeps far fewer. */
const maxListed = 1000

/** `isReadable`: whether the key has a session of the right type whose parts are not larger than those that we write. */
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

/** no arguments: the value, or nothing */
export const get = `${isReadable}
if not isReadable() then return false end
return redis.call('HGET', KEYS[1], 'v')`

/** value, life */
export const put = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** value, claimant, in place of whom ('' for nobody) */
export const claim = `${isReadable}
if not isReadable() then return 'gone' end
local held = redis.call('HMGET', KEYS[1], 'v', 'c')
if not held[1] then return 'gone' end
if held[1] ~= ARGV[1] then return 'changed' end
if held[2] and held[2] ~= ARGV[3] then return 'by ' .. held[2] end
redis.call('HSET', KEYS[1], 'c', ARGV[2])
return 'granted'`

/** claimant, value, life, channel, message */
export const finish = `${isReadable}
if not isReadable() then return 0 end
local held = redis.call('HMGET', KEYS[1], 'v', 'c')
if held[1] == ARGV[2] then return 1 end
if held[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
redis.call('HDEL', KEYS[1], 'c')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1`

/** claimant */
export const release = `${isReadable}
if not isReadable() then return 0 end
if redis.call('HGET', KEYS[1], 'c') == ARGV[1] then redis.call('HDEL', KEYS[1], 'c') end
return 1`

/** channel, message */
export const end = `
local ended = redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return ended`

/** member, its end, now, life: how many members there are */
export const enlist = `
local removed = redis.pcall('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
${dropIfWrongType('removed')}
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return redis.call('ZCARD', KEYS[1])`

/** now: the members that have not ended */
export const list = `
local members = redis.pcall('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'LIMIT', 0, ${maxListed})
${dropIfWrongType('members', 'return {}')}
local found = {}
for _, member in ipairs(members) do
  if #member <= ${maxNameBytes} then found[#found + 1] = member end
end
return found`
