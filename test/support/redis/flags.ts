/** For a gateway or command with a real Redis. On a busy machine, a call may take longer than the default of 250 ms. */
export const redisFlags = { 'cache.type': 'redis', 'cache.redis_timeout': '2s' } as const
