/** Lua code that deletes a value of the wrong type, which would otherwise prevent storing the user's state forever. */
export function dropIfWrongType(reply: string, then = ''): string {
  return `
if type(${reply}) == 'table' and ${reply}.err then
  if not string.find(${reply}.err, 'WRONGTYPE', 1, true) then return ${reply} end
  redis.call('DEL', KEYS[1])
  ${then}
end`
}

/**
 * Longer values are truncated when they are read, because anyone with write access can store 512 MB; valid entries have some
 * 130 bytes. A truncated value is invalid and is replaced like a corrupt one.
 */
export const maxValueBytes = 1024

/**
 * The atomic operations, each on the key of one user, so that they work on a Cluster. For the values of a key, see
 * auth/credentials/shared-store.ts. A full Redis rejects SET, but not DEL, so a value that cannot be set is deleted; a missing
 * entry is as safe as a lock.
 */
const setOrDelete = `
local function set(...)
  local reply = redis.pcall('SET', KEYS[1], ...)
  if reply.err then redis.call('DEL', KEYS[1]) end
  return reply
end
local current = redis.pcall('GETRANGE', KEYS[1], 0, ${maxValueBytes - 1})
${dropIfWrongType('current', "current = ''")}
`

/** Arguments: expected, value, ttlMs, channel, message */
export const compareAndSet = `${setOrDelete}
if current ~= ARGV[1] then return 'changed' end
local reply = set(ARGV[2], 'PX', ARGV[3])
if current ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return reply`

/** Arguments: expected (or '*'), token, ttlMs, force */
export const acquireLock = `${setOrDelete}
local first = string.sub(current, 1, 1)
local isLockOrTaint = first == '!' or first == '?'
local isLocked = isLockOrTaint and string.sub(current, -1) ~= '.'
local force = ARGV[4] == '1'
if isLocked and not force then return 'held' end
if not force and ARGV[1] ~= '*' and current ~= ARGV[1] then return 'changed' end
local isTainted = isLocked or first == '?' or (force and current ~= ARGV[1])
local reply = set((isTainted and '?' or '!') .. ARGV[2], 'PX', ARGV[3])
if reply.err then return reply end
return 'acquired'`

/** Arguments: token, value, ttlMs, ttlMs of the taint, channel, message, message for a tainted user */
export const releaseLock = `${setOrDelete}
local reply
if current == '!' .. ARGV[1] then
  reply = set(ARGV[2], 'PX', ARGV[3])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
else
  if current == '?' .. ARGV[1] then
    reply = set('?' .. ARGV[1] .. '.', 'KEEPTTL')
  else
    reply = set('?' .. ARGV[1] .. '.', 'PX', ARGV[4])
  end
  redis.call('PUBLISH', ARGV[5], ARGV[7])
end
return reply`

/** Arguments: prefix, token, ttlMs, channel, message */
export const taint = `${setOrDelete}
if current == '' or string.sub(current, 1, #ARGV[1]) ~= ARGV[1] then return 'changed' end
local reply = set('?' .. ARGV[2] .. '.', 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return reply`
