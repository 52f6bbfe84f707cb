-- KEYS: room, live.
-- ARGV: run, epoch, leader, mark, phase, last at least, first byte, bits (may be empty).
local room = redis.call('HMGET', KEYS[1], 'last', 'mark')
if tonumber(room[2]) < tonumber(ARGV[4]) then redis.call('HSET', KEYS[1], 'mark', ARGV[4]) end
if tonumber(room[1]) < tonumber(ARGV[6]) then redis.call('HSET', KEYS[1], 'last', ARGV[6]) end
if #ARGV[8] > 0 then redis.call('SETRANGE', KEYS[2], ARGV[7], ARGV[8]) end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'phase', ARGV[5]) end
return tonumber(redis.call('HGET', KEYS[1], 'last'))
