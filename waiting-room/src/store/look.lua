-- KEYS: room, live, seen, seen before, late, leaves, givers, asking.
-- ARGV: run, epoch, leader, first byte, last byte, late count, leave count, generation, how many of
-- the late lane to look at.
-- Check-ins go to the set that is looked at from here on.
redis.call('HSET', KEYS[1], 'generation', ARGV[8])
local room = redis.call('HMGET', KEYS[1], 'last', 'mark', 'phase')
-- The first in the late lane who are there, and those before them who have gone again.
local late, gone = {}, {}
for _, number in ipairs(redis.call('ZRANGE', KEYS[5], 0, tonumber(ARGV[9]) - 1)) do
  if #late == tonumber(ARGV[6]) then break end
  local is_there = redis.call('GETBIT', KEYS[3], number) + redis.call('GETBIT', KEYS[4], number)
  table.insert(is_there > 0 and late or gone, number)
end
return {
  tonumber(room[1]), tonumber(room[2]), room[3],
  redis.call('GETRANGE', KEYS[2], ARGV[4], ARGV[5]),
  redis.call('GETRANGE', KEYS[3], ARGV[4], ARGV[5]),
  redis.call('GETRANGE', KEYS[4], ARGV[4], ARGV[5]),
  redis.call('BITCOUNT', KEYS[2], ARGV[4], -1),
  late, gone,
  redis.call('ZRANGE', KEYS[6], 0, tonumber(ARGV[7]) - 1, 'WITHSCORES'),
  redis.call('SMEMBERS', KEYS[7]),
  redis.call('SMEMBERS', KEYS[8])
}
