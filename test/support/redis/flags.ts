/** For a gateway or command with a real Redis: the longest timeout, because on a busy machine Redis may pause for seconds. */
export const redisFlags = { 'cache.type': 'redis', 'cache.redis_timeout': '10s' } as const
