-- KEYS: room, live, seen, seen before, late, leaves, givers, asking.
-- ARGV: run, epoch, leader, first byte, last byte, late count, leave count, generation.
-- Check-ins go to the set that is looked at from here on.
redis.call('HSET', KEYS[1], 'generation', ARGV[8])
local room = redis.call('HMGET', KEYS[1], 'last', 'mark', 'phase')
return {
  tonumber(room[1]), tonumber(room[2]), room[3],
  redis.call('GETRANGE', KEYS[2], ARGV[4], ARGV[5]),
  redis.call('GETRANGE', KEYS[3], ARGV[4], ARGV[5]),
  redis.call('GETRANGE', KEYS[4], ARGV[4], ARGV[5]),
  redis.call('BITCOUNT', KEYS[2], ARGV[4], -1),
  redis.call('ZRANGE', KEYS[5], 0, tonumber(ARGV[6]) - 1),
  redis.call('ZRANGE', KEYS[6], 0, tonumber(ARGV[7]) - 1, 'WITHSCORES'),
  redis.call('SMEMBERS', KEYS[7]),
  redis.call('SMEMBERS', KEYS[8])
}
