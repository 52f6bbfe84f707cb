-- KEYS: room, live, seen, seen before, late, leaves, givers, asking.
-- ARGV: run, epoch, first byte, last byte, late count, leave count.
local room = redis.call('HMGET', KEYS[1], 'last', 'mark', 'phase')
return {
  tonumber(room[1]), tonumber(room[2]), room[3],
  redis.call('GETRANGE', KEYS[2], ARGV[3], ARGV[4]),
  redis.call('GETRANGE', KEYS[3], ARGV[3], ARGV[4]),
  redis.call('GETRANGE', KEYS[4], ARGV[3], ARGV[4]),
  redis.call('BITCOUNT', KEYS[2], ARGV[3], -1),
  redis.call('ZRANGE', KEYS[5], 0, tonumber(ARGV[5]) - 1),
  redis.call('ZRANGE', KEYS[6], 0, tonumber(ARGV[6]) - 1, 'WITHSCORES'),
  redis.call('SMEMBERS', KEYS[7]),
  redis.call('SMEMBERS', KEYS[8])
}
