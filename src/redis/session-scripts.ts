import { dropIfWrongType } from './scripts.ts'

/**
 * The atomic steps of sessions, each on one key, so that they run on a Cluster. A session is a hash: `v` what is sealed,
 * `c` who is redeeming its refresh token. See sessions/store.ts.
 */

/** value, life */
export const put = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

/** value, claimant, in place of whom ('' for nobody) */
export const claim = `
local held = redis.call('HMGET', KEYS[1], 'v', 'c')
if not held[1] then return 'gone' end
if held[1] ~= ARGV[1] then return 'changed' end
if held[2] and held[2] ~= ARGV[3] then return 'by ' .. held[2] end
redis.call('HSET', KEYS[1], 'c', ARGV[2])
return 'granted'`

/** claimant, value, life, channel, message */
export const finish = `
local held = redis.call('HMGET', KEYS[1], 'v', 'c')
if held[1] == ARGV[2] then return 1 end
if held[2] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'v', ARGV[2])
redis.call('HDEL', KEYS[1], 'c')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1`

/** claimant */
export const release = `
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
